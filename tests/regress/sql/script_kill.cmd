# Scripts that take long.
@config --busy-reply-threshold 100
set k v
@conn a
@send eval "redis.call('get', KEYS[1]) while true do end" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
@conn b
get k
script kill
# No pcall of the script's keeps it alive.
@conn a
@send eval "redis.call('get', KEYS[1]) while true do pcall(function() while true do end end) end" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
# Nor does a coroutine, or an error handler.
@send eval "redis.call('get', KEYS[1]) local c = coroutine.wrap(function() while true do end end) c()" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
# One that has written is not ended: it ends by itself here.
@send eval "redis.call('set', KEYS[1], 'w') local t = redis.call('time')[1] + 6 while tonumber(redis.call('time')[1]) < t do end return 'done'" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
get k
