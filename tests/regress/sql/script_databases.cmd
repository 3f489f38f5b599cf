# A script that exchanges the databases under its keys: what is named before, and what is named late afterwards.
eval "redis.call('flushall') redis.call('set', KEYS[1], 1) for i = 1, 200 do redis.call('set', 'k' .. i, i) end return redis.call('dbsize')" 1 a
mget a k1 k2 k100 k200
dbsize
eval "redis.call('set', KEYS[1], 0) redis.call('flushall') for i = 1, #KEYS do redis.call('set', KEYS[i], i) end for i = 1, 200 do redis.call('set', 'k' .. i, i) end for i = 1, #KEYS do redis.call('incr', KEYS[i]) end redis.call('del', 'k3', KEYS[2])" 20 a b c d e f g h i j k l m n o p q r s t
dbsize
mget a b c d e f g h i j k l m n o p q r s t k3 k4
flushall
# In EXEC the keys of other commands share the new buckets as well.
multi
set a 1
flushall
mset a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8
eval "for i = 1, 200 do redis.call('set', 'k' .. i, i) end return redis.call('incr', 'a')" 0
mset a 2 b 3 c 4
exec
mget a b c d e f g h k1 k200
dbsize
eval "redis.call('swapdb', 0, 1) redis.call('set', KEYS[1], 1) for i = 1, 100 do redis.call('set', 's' .. i, i) end redis.call('select', 1) for i = 1, 100 do redis.call('set', 't' .. i, i) end redis.call('swapdb', 0, 1) redis.call('select', 0) return {redis.call('dbsize'), redis.call('get', 't5'), redis.call('exists', 's5'), redis.call('exists', KEYS[1])}" 1 z
dbsize
# A database that is none: the script stays in its own.
eval "redis.call('select', 1) redis.pcall('select', 9999) redis.call('set', 'x', 1) return redis.call('get', 'x')" 0
get x
select 1
get x
dbsize
# Forty thousand late keys in the few buckets of a young table.
select 2
eval "for i = 1, 40000 do redis.call('set', 'k' .. i, i) end local n = 0 for i = 1, 40000 do n = n + redis.call('get', 'k' .. i) end return n" 0
dbsize
