# The keys that BY and GET name, as the commands before SORT in one transaction have left them.
RPUSH l 1 2 3 4
MSET w1 1 w2 2 w3 3 w4 4
HSET d1 f one
MULTI
SET w1 9
DEL w2
RENAME w3 w2
INCRBY w4 -100
HSET d1 f first g x
SORT l BY w* GET # GET w* GET d*->f
SORT l BY w* GET d*->g STORE d1
SORT d1 BY nosort GET d*->f
EXEC
LRANGE d1 0 -1
EVAL "redis.call('set', 'w1', 100) redis.call('del', 'w2') redis.call('set', 'w3', 7) return redis.call('sort', 'l', 'by', 'w*', 'get', '#', 'get', 'w*')" 1 l
EVAL "redis.call('set', 'w1', -5) redis.call('expire', 'w4', -1) return redis.call('sort', KEYS[1], 'by', 'w*', 'get', '#', 'get', 'w*')" 4 l w1 w3 w4
EVAL "redis.call('rename', 'w1', 'w9') redis.call('set', 'w2', 3, 'ex', 1000) return redis.call('sort_ro', KEYS[1], 'by', 'w*', 'get', '#', 'get', 'w*')" 1 l

# the same where it takes long
EVAL "for i = 1, 3000 do redis.call('rpush', 'long', i) end" 0
MULTI
SET w2 5
SET w10 -1
DEL w3
EVAL "for i = 1, 1000000 do end return redis.call('sort', 'long', 'by', 'w*', 'get', '#', 'get', 'w*', 'limit', 0, 1)" 0
SORT long BY w* DESC LIMIT 0 3 GET # GET w*
SORT long BY w* LIMIT 0 1 GET # GET w*
EXEC
