# The first line of a script, and the _RO commands.
eval "#!lua\nreturn 1" 0
eval "#!lua flags=\nreturn 1" 0
eval "#!lua flags=no-writes\nreturn redis.call('get', 'a')" 0
eval "#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)" 0
eval "#!lua flags=no-writes,allow-oom,allow-stale,no-cluster\nreturn 1" 0
eval "#!lua flags=no-writes flags=allow-oom\nreturn 1" 0
eval "#!lua flags=nosuch\nreturn 1" 0
eval "#!lua flags=no-writes,\nreturn 1" 0
eval "#!lua name=x\nreturn 1" 0
eval "#!lua" 0
eval "#!python\nreturn 1" 0
eval "#!\nreturn 1" 0
eval "#! lua\nreturn 1" 0
eval "#!lua\n\nerror('third')" 0
eval_ro "return redis.call('get', KEYS[1])" 1 a
eval_ro "return redis.call('set', KEYS[1], 1)" 1 a
eval_ro "return redis.pcall('publish', 'c', 1)" 0
eval_ro "return redis.pcall('pfcount', 'c')" 0
eval_ro "#!lua\nreturn 1" 0
eval_ro "#!lua flags=no-writes\nreturn 1" 0
eval_ro "return redis.call('exists', 'a')" 0
script load "return redis.call('incr', KEYS[1])"
evalsha_ro c19a8c9e2d2f4bbc5b1ad8d3b0b6d5cbf6a1f4f5 0
eval "return redis.sha1hex(ARGV[1])" 0 "return redis.call('incr', KEYS[1])"
@save sha
eval "return redis.sha1hex(ARGV[1])" 0 "return redis.call('incr', KEYS[1])"
evalsha_ro %{sha} 1 a
evalsha %{sha} 1 a
get a
# Memory.
set big %{x*100000}
config set maxmemory 1
eval "return redis.call('set', 'b', 1)" 0
eval "return redis.call('get', 'a')" 0
eval "#!lua\nreturn 1" 0
eval "#!lua flags=allow-oom\nreturn redis.call('set', 'b', 1)" 0
eval "#!lua flags=no-writes\nreturn redis.call('get', 'b')" 0
eval "redis.call('del', 'b') return redis.call('set', 'b', 2)" 0
eval "return redis.pcall('set', 'c', 1)" 0
config set maxmemory 0
