# FUNCTION STATS and KILL with nothing running
FUNCTION STATS
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end)\nredis.register_function('g', function() return 1 end)"
FUNCTION LOAD "#!lua name=lib2\nredis.register_function('h', function() return 1 end)"
FUNCTION STATS
@resp 3
FUNCTION STATS
@resp 2
FUNCTION STATS x
FUNCTION KILL
FUNCTION KILL x
FUNCTION FLUSH
FUNCTION STATS
