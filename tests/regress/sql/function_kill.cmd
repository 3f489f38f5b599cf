# A function that does not end: FUNCTION STATS tells of it, FUNCTION KILL ends it
@config --busy-reply-threshold 50
FUNCTION LOAD "#!lua name=lib\nredis.register_function('loop', function() while true do end end)\nredis.register_function{function_name='loop_ro', callback=function(k) while true do redis.call('get', k[1]) end end, flags={'no-writes'}}\nredis.register_function('f', function() return 1 end)"
FUNCTION KILL
@conn runs
@send FCALL loop 0 some args
@conn main
@until "loop"
@pick 1.1
FUNCTION STATS
@pick 1.3
FUNCTION STATS
@pick 1.0,2,4
FUNCTION STATS
SCRIPT KILL
FUNCTION KILL
@conn runs
@recv
FCALL f 0
@conn main
FUNCTION STATS
FUNCTION KILL
@conn runs
@send FCALL_RO loop_ro 1 k
@conn main
@until "loop_ro"
@pick 1.1
FUNCTION STATS
FUNCTION KILL
@conn runs
@recv
FCALL f 0
