# redis.register_function in both forms, and what else a library may do while it is loaded
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f9', 1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f9')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function()"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('a','b','c')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f9', redis.log)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function(nil, function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function({}, function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x'}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{callback=function() end}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('x')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function(5)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function(1.5, function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name=1, callback=function() end}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback='x'}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, description=1}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, description={}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags='no-writes'}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={'no-write'}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={1}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={{}}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, foo=1}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, [1]=1}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, [1.5]=1}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, [true]=1}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, FLAGS={}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{FUNCTION_NAME='x', Callback=function() end, description='a\x00b'}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='a b', callback=function() end}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name=true, callback=function() end}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal n=0; redis.register_function('f', function() n=n+1 return n end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal ok = redis.log(redis.LOG_NOTICE, 'hi'); redis.register_function('f', function() return redis.LOG_NOTICE end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log('hi')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={'NO-WRITES', 'no-writes', 'Allow-Oom'}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={a='no-writes','allow-oom','allow-stale'}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, flags={'allow-oom', nil, 'allow-stale'}}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function{function_name='x', callback=function() end, description='a', foo='b'}"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f 1', function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('', function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('v\x00v', function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nreturn redis.call('set','a','b')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = math.floor(1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = string.rep('a',1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nx = 1"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal t = _G"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.foo = 1"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis = 1"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = redis.sha1hex('a')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = redis.setresp(3)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = redis.error_reply('a')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = redis.REPL_ALL"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = KEYS"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = ARGV"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = cjson"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = print"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = pcall(1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nerror('boom')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\ngetmetatable(redis)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nsetmetatable({}, {})"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\ntostring(1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = nil .. 'a'"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nlocal x = "
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nfoo()"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nfoo("
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log(redis.LOG_WARNING, 'said', 'while loading'); redis.register_function('v', function() return 1 end)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log(1)"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log('a', 'b')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log(7, 'b')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.log(-1, 'b')"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end) return nosuch"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end) return 5"
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end) return redis.REDIS_VERSION, redis.REDIS_VERSION_NUM, redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE"
FUNCTION LIST
# The lines are the source's
FUNCTION LOAD "#!lua name=lib\n\n\n foo()"
FUNCTION LOAD "#!lua name=lib\n\n\n\n foo("
# It may not take for ever
FUNCTION LOAD "#!lua name=lib\nwhile true do end"
FUNCTION LOAD "#!lua name=lib\nrepeat local a = {} until false"
