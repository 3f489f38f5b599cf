# What is wrong with a script, and where.
eval "return redis.call('nosuch')" 0
eval "return redis.pcall('nosuch')" 0
eval "return redis.call('get')" 0
eval "return redis.pcall('get')" 0
eval "return redis.call()" 0
eval "return redis.pcall()" 0
eval "return redis.call({})" 0
eval "return redis.pcall('set', 'a', {})" 0
eval "return redis.call('set', 'a', nil)" 0
eval "return redis.call('set', 'a', true)" 0
eval "error('boom')" 0
eval "error({err='My own'})" 0
eval "error({err='CODE My own'})" 0
eval "\n\nerror('third line')" 0
eval "local function f() error('inside') end\nf()" 0
eval "return pcall(function() return redis.call('nosuch') end)" 0
eval "local ok, e = pcall(redis.call, 'nosuch') return {tostring(ok), e.err}" 0
eval "local ok, e = pcall(redis.call, 'lpush', KEYS[1], 1) return {tostring(ok), type(e)}" 1 list
eval "redis.call('set', 'str', 1) return redis.call('lpush', 'str', 1)" 0
eval "redis.call('set', 'str', 1)\nlocal x = redis.call('lpush', 'str', 1)\nreturn x" 0
eval "return redis.pcall('lpush', 'str', 1)" 0
eval "return redis.call('set', 'a', 1, 'bad', 'options')" 0
# Not from scripts.
eval "return redis.call('subscribe', 'c')" 0
eval "return redis.call('eval', 'return 1', 0)" 0
eval "return redis.call('multi')" 0
eval "return redis.call('auth', 'x')" 0
eval "return redis.call('client', 'list')" 0
eval "return redis.call('config', 'get', '*')" 0
eval "return redis.call('watch', 'a')" 0
eval "return redis.call('script', 'flush')" 0
eval "return redis.call('debug', 'sleep', 0)" 0
eval "return redis.call('monitor')" 0
eval "return redis.call('shutdown')" 0
eval "return redis.call('hello', 3)" 0
eval "return redis.call('object')" 0
eval "return redis.call('object', 'nosuch')" 0
eval "return redis.call('memory', 'nosuch')" 0
# The API's own.
eval "redis.log('x')" 0
eval "redis.log('x', 'y')" 0
eval "redis.log(9, 'y')" 0
eval "redis.log(-1, 'y')" 0
eval "return redis.log(redis.LOG_DEBUG, 'y')" 0
eval "return redis.sha1hex()" 0
eval "return redis.sha1hex('a', 'b')" 0
eval "return redis.set_repl(99)" 0
eval "return redis.set_repl()" 0
eval "return redis.set_repl(redis.REPL_ALL)" 0
eval "return redis.replicate_commands()" 0
eval "return redis.breakpoint()" 0
eval "return redis.debug('x')" 0
eval "return redis.acl_check_cmd('get', 'x')" 0
eval "return redis.acl_check_cmd('nosuch')" 0
eval "return redis.acl_check_cmd()" 0
eval "return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}" 0
eval "return {redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL}" 0
eval "return type(redis.REDIS_VERSION) .. type(redis.REDIS_VERSION_NUM)" 0
# Errors in the error statistics and the calls of commands.
config resetstat
eval "redis.pcall('lpush', 'str', 1) redis.pcall('lpush', 'str', 1) redis.call('get', 'a') return 1" 0
eval "return redis.call('lpush', 'str', 1)" 0
eval "return redis.pcall('nosuch')" 0
eval "error('mine')" 0
@sub /usec=[0-9]+,usec_per_call=[0-9.]+/usec/
@sub /cmdstat_config.*//
info errorstats
