# Values become replies, and replies values.
eval "return 3.99" 0
eval "return -3.99" 0
eval "return '3.99'" 0
eval "return true" 0
eval "return false" 0
eval "return {1,2,3.3333,'foo',nil,'bar'}" 0
eval "return {}" 0
eval "return {{1,{2,{}}},'x'}" 0
eval "return {a=1}" 0
eval "return {ok='fine'}" 0
eval "return {ok='two\r\nlines'}" 0
eval "return {err='My error'}" 0
eval "return {err='MY error'}" 0
eval "return {'a', {err='inner'}, {ok='inner ok'}}" 0
eval "return redis.status_reply('TICK')" 0
eval "return redis.error_reply('TICK TOCK')" 0
eval "return redis.error_reply('-TICK TOCK')" 0
eval "return redis.error_reply('TICK')" 0
eval "return redis.error_reply('')" 0
eval "return redis.error_reply()" 0
eval "return redis.error_reply({})" 0
eval "return redis.status_reply()" 0
eval "return redis.status_reply(1)" 0
eval "return {double=3.5}" 0
eval "return {map={a=1}}" 0
eval "return {set={a=true}}" 0
eval "return {big_number='123456789012345678901234567890'}" 0
eval "return {verbatim_string={format='txt',string='hello'}}" 0
eval "return {verbatim_string={string='hello'}}" 0
eval "return 9007199254740993" 0
eval "return -9223372036854775808" 0
eval "return function() end" 0
eval "local t = redis.call('get', 'none') return {type(t), tostring(t)}" 0
eval "local t = redis.call('set', 'a', 1) return {type(t), t.ok}" 0
eval "local t = redis.call('get', 'a') return {type(t), t}" 0
eval "local t = redis.call('incr', 'a') return {type(t), t}" 0
eval "local t = redis.call('lrange', 'none', 0, -1) return {type(t), #t}" 0
eval "local t = redis.call('blpop', 'none', 0) return {type(t), tostring(t)}" 0
eval "redis.call('hset', 'h', 'f', 'v') local t = redis.call('hgetall', 'h') return {type(t), #t, t[1], t[2]}" 0
eval "redis.call('sadd', 's', 'm') local t = redis.call('smembers', 's') return {type(t), #t, t[1]}" 0
eval "redis.call('zadd', 'z', 1.5, 'm') local t = redis.call('zscore', 'z', 'm') return {type(t), t}" 0
eval "local t = redis.pcall('incr', 'h') return {type(t), t.err}" 0
eval "return redis.pcall('incr', 'h')" 0
eval "return redis.call('incr', 'h')" 0
# The script speaks RESP3, its client does not.
eval "redis.setresp(3) return redis.call('hgetall', 'h')" 0
eval "redis.setresp(3) local t = redis.call('hgetall', 'h') return {type(t), type(t.map), t.map.f}" 0
eval "redis.setresp(3) local t = redis.call('smembers', 's') return {type(t), type(t.set), t.set.m}" 0
eval "redis.setresp(3) local t = redis.call('zscore', 'z', 'm') return {type(t), t.double}" 0
eval "redis.setresp(3) return redis.call('zscore', 'z', 'm')" 0
eval "redis.setresp(3) local t = redis.call('get', 'none') return {type(t)}" 0
eval "redis.setresp(3) return redis.call('get', 'none')" 0
eval "redis.setresp(3) return true" 0
eval "redis.setresp(3) return false" 0
eval "redis.setresp(3) redis.setresp(2) return redis.call('hgetall', 'h')" 0
eval "redis.setresp(4)" 0
eval "redis.setresp()" 0
eval "redis.setresp(2, 3)" 0
# The next script begins with RESP2 again.
eval "local t = redis.call('hgetall', 'h') return {type(t.map), #t}" 0
@resp 3
eval "return true" 0
eval "return false" 0
eval "return nil" 0
eval "return {double=3.5}" 0
eval "return {map={a=1}}" 0
eval "return {set={a=true}}" 0
eval "return {big_number='123456789012345678901234567890'}" 0
eval "return {big_number='12\r\n34'}" 0
eval "return {verbatim_string={format='txt',string='hello'}}" 0
eval "return redis.call('hgetall', 'h')" 0
eval "redis.setresp(3) return redis.call('hgetall', 'h')" 0
eval "redis.setresp(3) return redis.call('smembers', 's')" 0
eval "redis.setresp(3) return redis.call('zscore', 'z', 'm')" 0
eval "redis.setresp(3) return redis.call('get', 'none')" 0
eval "redis.setresp(3) return true" 0
eval "redis.setresp(3) return false" 0
eval "return redis.call('get', 'none')" 0
