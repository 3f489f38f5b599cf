# A script's client has read all keys that it names, when the script reads any.
@conn c
@resp 3
CLIENT TRACKING ON
EVAL "return 1" 2 a b
@conn main
MSET a 1 b 1
@conn c
PING
EVAL "return redis.call('get', KEYS[1])" 2 a b
@conn main
MSET a 2 b 2
@conn c
PING
EVAL "redis.call('set', KEYS[1], 1)" 1 a
@conn main
SET a 3
@conn c
PING
EVAL "local v = redis.call('get', KEYS[1]) redis.call('set', KEYS[1], 1) return v" 1 a
PING
@conn main
SET a 3
@conn c
PING
EVAL "redis.call('set', KEYS[1], 1) return redis.call('get', KEYS[1])" 1 a
@conn main
SET a 3
@conn c
PING
MULTI
EVAL "return redis.call('get', KEYS[1])" 1 a
SET b 1
EXEC
@conn main
EVAL "redis.call('set', 'a', 1) redis.call('set', 'b', 1)" 0
@conn c
PING
EVAL_RO "return redis.call('get', KEYS[1])" 1 a
@conn main
SET a 3
@conn c
PING
CLIENT TRACKING OFF
CLIENT TRACKING ON BCAST
SCRIPT LOAD "return 1"
EVAL "redis.call('set', 'z', 1)" 0
PING
