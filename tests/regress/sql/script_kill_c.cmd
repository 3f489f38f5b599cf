# Calls of C without end, or nearly so, neither hold up the worker nor refuse to be killed.
@config --busy-reply-threshold 100
@config --worker-watchdog-ms 10000
@config --workers 1
@sub /script: [0-9a-f]{40}/script: SHA/
set k v
# A reply that is larger than the world.
@conn a
@send eval "redis.call('get', KEYS[1]) local t = {} for i = 1, 60 do t = {t, t} end return t" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
# Tables that are in one another so often that they pack into more than there is.
@send eval "redis.call('get', KEYS[1]) local t = {} for i = 1, 14 do local u = {} for j = 1, 100 do u[j] = t end t = u end return cmsgpack.pack(t)" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
@send eval "redis.call('get', KEYS[1]) local t = {} for i = 1, 900 do t = {t, t} end return cjson.encode(t)" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
# Short calls, of which a thousand take long.
@send eval "redis.call('get', KEYS[1]) local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
# The worker is the one that it was.
@conn main
@match worker0:.*restarts=0
info workers
ping
