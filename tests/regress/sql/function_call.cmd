# FCALL: functions run as scripts do, by name
FCALL
FCALL f
FCALL nope 0
FUNCTION LOAD "#!lua name=lib\nlocal n = 0\nlocal function reg(name, f) redis.register_function(name, f) end\nreg('given', function(keys, args) return {keys, args} end)\nreg('count', function(...) return select('#', ...) end)\nreg('counts', function() n = n + 1 return n end)\nreg('nothing', function() end)\nreg('many', function() return 1, 2, 3 end)\nreg('float', function() return 3.7 end)\nreg('ok', function() return {ok='fine'} end)\nreg('err', function() return {err='bad'} end)\nreg('yes', function() return true end)\nreg('no', function() return false end)"
FCALL given 0
FCALL given 2 a b
FCALL given 1 a b c
FCALL GIVEN 0 x
FCALL Given 0 x
FCALL given -1
FCALL given 1
FCALL given 3 a b
FCALL given a
FCALL given 1.5
FCALL given 99999999999999999999
FCALL nope a
FCALL count 0
FCALL count 1 a b
FCALL nothing 0
FCALL many 0
FCALL float 0
FCALL ok 0
FCALL err 0
FCALL yes 0
FCALL no 0
FCALL_RO given 0
# An error tells the function and its place
FUNCTION LOAD "#!lua name=errors\nredis.register_function('throws', function() error('boo') end)\nredis.register_function('table', function() error({err='MY boo'}) end)\nredis.register_function('unknown', function() return redis.call('nope') end)\nredis.register_function('arity', function() return redis.call('set', 'x') end)\nredis.register_function('wrong', function() return redis.call('incr', KEYS[1]) end)\nredis.register_function('type', function(k) return redis.call('incr', k[1]) end)\nredis.register_function('caught', function(k) return redis.pcall('incr', k[1]) end)\nredis.register_function('global', function() x = 1 end)\nredis.register_function('read', function() return x end)\nredis.register_function('redis', function() redis.x = 1 end)\nredis.register_function('math', function() math.floor = 1 end)\nredis.register_function('_G', function() _G.x = 1 end)\nredis.register_function('load', function() redis.register_function('z', function() end) end)\nredis.register_function('replicate', function() redis.replicate_commands() end)\nredis.register_function('breakpoint', function() redis.breakpoint() end)"
SET s abc
FCALL throws 0
FCALL table 0
FCALL unknown 0
FCALL arity 0
FCALL wrong 1 s
FCALL type 1 s
FCALL caught 1 s
FCALL global 0
FCALL read 0
FCALL redis 0
FCALL math 0
FCALL _G 0
FCALL load 0
FCALL replicate 0
FCALL breakpoint 0
# Commands
FUNCTION LOAD "#!lua name=cmds\nredis.register_function('set', function(k, a) return redis.call('set', k[1], a[1]) end)\nredis.register_function('get', function(k, a) return redis.call('get', k[1]) end)\nredis.register_function{function_name='get_ro', callback=function(k) return redis.call('get', k[1]) end, flags={'no-writes'}}\nredis.register_function{function_name='set_ro', callback=function(k) return redis.call('set', k[1], 1) end, flags={'no-writes'}}\nredis.register_function('half', function(k) redis.call('set', k[1], 'half') redis.call('incr', k[1]) end)\nredis.register_function('resp3', function(k) redis.setresp(3) return redis.call('hgetall', k[1]) end)\nredis.register_function('other', function(k) redis.call('select', 3) return redis.call('set', k[1], 'in3') end)\nredis.register_function('nested', function() return redis.call('fcall', 'get', 1, 'a') end)\nredis.register_function('eval', function() return redis.call('eval', 'return 1', 0) end)\nredis.register_function('functions', function() return redis.call('function', 'list') end)\nredis.register_function('sha', function() return redis.sha1hex('a') end)"
FCALL set 1 k v
FCALL get 1 k
FCALL_RO get 1 k
FCALL_RO get_ro 1 k
FCALL get_ro 1 k
FCALL set_ro 1 k
FCALL_RO set_ro 1 k
FCALL set 1
FCALL half 1 k
GET k
HSET h f v
FCALL resp3 1 h
@resp 3
FCALL resp3 1 h
@resp 2
FCALL other 1 k
GET k
SELECT 3
GET k
SELECT 0
FCALL nested 0
FCALL eval 0
FCALL functions 0
FCALL sha 0
# From scripts they are not called
EVAL "return redis.call('fcall', 'get', 1, 'a')" 1 a
EVAL "return redis.call('function', 'list')" 0
EVAL "return redis.call('function', 'load', 'x')" 0
# A change is seen by the next call, and what stays keeps what it had
FCALL counts 0
FCALL counts 0
FUNCTION DELETE errors
FCALL throws 0
FCALL given 0 x
FUNCTION LOAD REPLACE "#!lua name=lib\nredis.register_function('given', function() return 'new' end)"
FCALL given 0
FCALL count 0
FUNCTION FLUSH
FCALL given 0
# In a transaction
MULTI
FUNCTION LOAD "#!lua name=b\nredis.register_function('g', function(k) return redis.call('incr', k[1]) end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('g', function() return 1 end)"
FCALL g 1 n
FCALL g 1 n
FUNCTION LIST
FUNCTION DELETE b
FCALL g 1 n
GET n
EXEC
FUNCTION LIST
FCALL g 1 n
MULTI
FCALL g 1 n
FUNCTION LOAD "#!lua name=c\nredis.register_function('h', function(k) return redis.call('incr', k[1]) end)"
SET
DISCARD
FCALL h 1 n
# Keys of the call
COMMAND GETKEYS FCALL f 2 a b c
COMMAND GETKEYS FCALL_RO f 0 a
COMMAND GETKEYS FCALL f x a
