# The scripts that the server knows.
script load "return 1"
script load "return 1"
script exists e0e1f9fabfc9d4800c877a703b823ac0578ff8db
script exists E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0000000000000000000000000000000000000000 short
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
script load "return +"
script load ""
script load
script load a b
eval "return 7" 0
script exists e85ee6d3cd0ff5fd02bb7c5bb27bb6eb2d3d0d41
@conn other
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
script flush
@conn main
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
script exists e0e1f9fabfc9d4800c877a703b823ac0578ff8db
script load "return 1"
script flush async
script exists e0e1f9fabfc9d4800c877a703b823ac0578ff8db
script load "return 1"
script flush sync
script exists e0e1f9fabfc9d4800c877a703b823ac0578ff8db
script flush now
script flush sync sync
script nosuch
script
script exists
script kill
script kill x
script debug no
script debug maybe
script debug
# In a transaction.
multi
script load "return 2"
eval "return 2" 0
evalsha 7f923f79fe76194c868d7e1d0820de36700eb649 0
eval "return redis.call('incr', KEYS[1])" 1 counter
eval "return redis.call('incr', 'counter')" 0
get counter
eval "return redis.call('incr', 'counter')" 0
evalsha 0000000000000000000000000000000000000000 0
eval "return redis.call('lpush', 'counter', 1)" 0
eval "return" x
exec
get counter
multi
set a 1
eval "redis.call('append', 'a', ARGV[1]) return redis.call('get', 'a')" 0 23
append a 4
eval "redis.call('del', 'a') redis.call('rpush', 'a', 1, 2)" 0
lrange a 0 -1
exec
type a
watch counter
multi
eval "return redis.call('set', 'counter', 'x')" 0
@conn other
incr counter
@conn main
exec
get counter
# Scripts that look at whole databases.
eval "return redis.call('dbsize')" 0
eval "redis.call('set', 'new', 1) local n = redis.call('dbsize') redis.call('del', 'new') return {n, redis.call('dbsize')}" 0
eval "redis.call('set', 'new', 1) return #redis.call('keys', '*')" 0
eval "redis.call('flushall') redis.call('set', 'only', 1) return redis.call('keys', '*')" 0
get only
eval "redis.call('swapdb', 0, 1) return redis.call('exists', 'only')" 0
exists only
eval "redis.call('swapdb', 0, 1) return redis.call('get', KEYS[1])" 1 only
multi
eval "return redis.call('dbsize')" 0
set two 2
eval "return redis.call('dbsize')" 0
exec
eval "return redis.call('scan', 0)[1]" 0
