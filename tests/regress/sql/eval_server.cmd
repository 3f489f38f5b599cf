# Commands of the server inside scripts, in a worker and, behind a long loop, in the slow lane.
set k v
eval "return #redis.call('info') > 100" 0
eval "return redis.call('command', 'count') > 100" 0
eval "return redis.call('lastsave') > 0" 0
eval "return redis.call('pubsub', 'numpat')" 0
eval "return redis.call('pubsub', 'channels')" 0
eval "return redis.call('slowlog', 'len') >= 0" 0
eval "return redis.call('command', 'getkeys', 'get', 'a')" 0
eval "return #redis.call('memory', 'stats') > 10" 0
eval "return redis.call('memory', 'usage', 'k') > 0" 0
eval "return redis.call('object', 'encoding', 'k')" 0
eval "return redis.call('publish', 'c', 'm')" 0
eval "return redis.call('randomkey')" 0
eval "for i = 1, 1e7 do end return {redis.call('ping'), redis.call('echo', 'e'), redis.call('get', 'k')}" 0
eval "for i = 1, 1e7 do end return {redis.call('lastsave') > 0, redis.call('publish', 'c', 'm'), redis.call('pubsub', 'numsub', 'c')}" 0
eval "for i = 1, 1e7 do end return {#redis.call('info') > 100, redis.call('memory', 'usage', 'k') > 0, #redis.call('memory', 'stats') > 10}" 0
eval "for i = 1, 1e7 do end redis.call('select', 5) redis.call('set', 'five', 5) return redis.call('dbsize')" 0
eval "for i = 1, 1e7 do end redis.call('select', 5) redis.call('flushdb') return redis.call('dbsize')" 0
dbsize
get k
# A subscriber's messages, from a worker and from the lane.
@conn sub
subscribe c
@conn main
eval "redis.call('publish', 'c', 'from a script') redis.call('publish', 'c', 'again')" 0
@conn sub
@recv
@recv
@conn main
eval "for i = 1, 1e7 do end redis.call('publish', 'c', 'late')" 0
@conn sub
@recv
# Who waits for a key gets what a script brings, when it has ended.
@conn waiting
@send blpop list 0
@blocked
@conn main
eval "redis.call('rpush', KEYS[1], 'a', 'b') return redis.call('llen', KEYS[1])" 1 list
@conn waiting
@recv
@conn main
lrange list 0 -1
@conn waiting
@send blpop list2 0
@blocked
@conn main
eval "redis.call('rpush', 'list2', 'a') redis.call('del', 'list2') redis.call('rpush', 'list2', 'b', 'c') return 1" 0
@conn waiting
@recv
@conn main
lrange list2 0 -1
# A thousand keys, none of them declared.
eval "for i = 1, 1000 do redis.call('set', 'key:' .. i, i) end local n = 0 for i = 1, 1000 do n = n + redis.call('get', 'key:' .. i) end return n" 0
eval "local a = {} for i = 1, 1000 do a[i] = 'key:' .. i end return redis.call('del', unpack(a))" 0
dbsize
# Expired keys.
set gone 1 px 1
@sleep 20
eval "return {redis.call('exists', 'gone'), redis.call('incr', 'gone')}" 0
set gone2 1 px 1
@sleep 20
eval_ro "return {redis.call('exists', KEYS[1]), redis.call('get', KEYS[1])}" 1 gone2
eval "return redis.call('incr', 'gone2')" 0
