@redis 7.2
# A script is ended also while its reply is being written, and in a loop of C's: in redis-server neither can be.
@config --busy-reply-threshold 100
@sub /script: [0-9a-f]{40}/script: SHA/
set k v
@conn a
@send eval "redis.call('get', KEYS[1]) return {1, 2, {verbatim_string = setmetatable({}, {__index = function() while true do end end})}}" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
ping
@send eval "redis.call('get', KEYS[1]) return string.find(string.rep('(', 1e6), '%b()')" 1 k
@conn b
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
get k
script kill
@conn a
@recv
