# What watchers of the stream of commands see of scripts.
@sub /[0-9]{10}\.[0-9]{6}/TIME/
@sub /127\.0\.0\.1:[0-9]+/ADDR/
@conn w
monitor
@conn a
eval "redis.call('set', KEYS[1], ARGV[1]) redis.pcall('nosuch') redis.call('get', KEYS[1]) return 1" 1 k v
eval "return 1" 0
evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
evalsha 0000000000000000000000000000000000000000 0
eval "redis.call('select', 2) redis.call('get', 'x')" 0
@conn w
@recv
@recv
@recv
@recv
@recv
@recv
@recv
@recv
