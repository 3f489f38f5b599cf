# What EVAL and EVALSHA take and answer.
eval "return 1" 0
eval "return {KEYS[1],KEYS[2],ARGV[1],ARGV[2],ARGV[3]}" 2 k1 k2 a b ""
eval "return {#KEYS, #ARGV}" 0
eval "return {#KEYS, #ARGV}" 1 a b c
eval "return KEYS[3]" 2 a b
eval "return redis.call('set', KEYS[1], ARGV[1])" 1 k v
get k
eval "return redis.call('get', KEYS[1])" 1 k
eval "return redis.call('get', 'k')" 0
eval "redis.call('set', 'undeclared', 5) return redis.call('incr', 'undeclared')" 0
eval "return redis.sha1hex('')" 0
eval "return redis.sha1hex('return 1')" 0
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
evalsha E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0
evalsha 0000000000000000000000000000000000000000 0
evalsha short 0
evalsha short x
evalsha 0000000000000000000000000000000000000000 x
evalsha 0000000000000000000000000000000000000000 1
eval
eval "return 1"
eval "return 1" x
eval "return 1" 1
eval "return 1" -1
eval "return 1" 0 a b
eval "return 1" 99999999999999999999
eval "" 0
eval "return" 0
eval "return nil" 0
eval "return redis.call" 0
# Select is the script's own.
eval "redis.call('select', 3) redis.call('set', 'there', 1) return redis.call('get', 'k')" 0
get there
select 3
get there
select 0
eval "return redis.call('select', 99)" 0
eval "return redis.pcall('select', 'x')" 0
# An error keeps what was done before.
eval "redis.call('set', KEYS[1], 'before') redis.call('lpush', KEYS[1], 'x')" 1 kept
get kept
eval "redis.call('set', KEYS[1], 'again') local e = redis.pcall('lpush', KEYS[1], 'x') return e.err" 1 kept
get kept
eval "redis.call('incr', KEYS[1]) error('stop')" 1 counted
get counted
# Commands of every sort.
eval "for i = 1, 300 do redis.call('rpush', KEYS[1], i) end return redis.call('llen', KEYS[1])" 1 list
eval "return redis.call('lrange', KEYS[1], 0, 4)" 1 list
eval "return redis.call('mset', 'm1', 1, 'm2', 2, 'm1', 3)" 0
mget m1 m2
eval "return redis.call('mget', 'm1', 'm2', 'none', 'm1')" 0
eval "redis.call('del', 'm1', 'm2') return {redis.call('exists', 'm1', 'm2', 'k')}" 0
eval "return redis.call('ping')" 0
eval "return redis.call('echo', 'hello')" 0
eval "return redis.call('time')[1] ~= nil" 0
eval "redis.call('rename', KEYS[1], KEYS[2]) return redis.call('exists', KEYS[1], KEYS[2])" 2 k k2
eval "redis.call('set', KEYS[1], 1, 'px', 100000) return redis.call('ttl', KEYS[1])" 1 volatile
eval "return redis.call('blpop', KEYS[1], 0)" 1 nolist
eval "return redis.call('brpoplpush', KEYS[1], KEYS[2], 0)" 2 nolist nolist2
eval "return redis.call('sort', KEYS[1], 'desc', 'limit', 0, 3)" 1 list
# Numbers.
eval "return redis.call('set', 'n', 3.0)" 0
get n
eval "return redis.call('set', 'n', 0.1)" 0
get n
eval "return redis.call('set', 'n', 2^53)" 0
get n
eval "return redis.call('set', 'n', 1e100)" 0
get n
eval "return redis.call('incrby', 'm', 10)" 0
eval "return redis.call('incrby', 'm', 5) + 0.9" 0
