# FUNCTION LOAD: the first line of a library, and whose names are taken
FUNCTION LOAD
FUNCTION LOAD "x"
FUNCTION LOAD ""
FUNCTION LOAD "\x1bLua name=x\n"
FUNCTION LOAD "#!lua"
FUNCTION LOAD "#!lua name"
FUNCTION LOAD "#!lua name="
FUNCTION LOAD "#!lua name=a"
FUNCTION LOAD "#!lua name=a name=b\n"
FUNCTION LOAD "#!lua foo=a\n"
FUNCTION LOAD "#!lua foo\n"
FUNCTION LOAD "#!lua\n"
FUNCTION LOAD "#!lua name=a\n"
FUNCTION LOAD "#!lua name=a\nreturn 1"
FUNCTION LOAD "#!lua name=bad-name\nreturn 1"
FUNCTION LOAD "#!lua name=\"bad name\"\nreturn 1"
FUNCTION LOAD "#!lua name=\n redis.register_function('f', function() return 1 end)"
FUNCTION LOAD "#!lua name=aa\x00bb\nredis.register_function('f', function() return 1 end)"
FUNCTION LOAD "#!js name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!js name=bad-name\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#! name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!lua \"name=quoted3\nredis.register_function('q3', function() return 1 end)"
# What is taken
FUNCTION LOAD "#!lua name=\"quoted\"\nredis.register_function('q', function() return 1 end)"
FUNCTION LOAD "#!lua 'name=quoted2'\nredis.register_function('q2', function() return 1 end)"
FUNCTION LOAD "#!LUA name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!lua NAME=l4\r\nredis.register_function('f4', function() return 1 end)"
FUNCTION LOAD "#!lua name=l5 \t \nredis.register_function('f5', function() return 1 end)"
FUNCTION LOAD "#!lua name=abcdefghijklmnopqrstuvwxyz_0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ\nredis.register_function('long', function() return 1 end)"
@sort
FUNCTION LIST
FUNCTION DELETE quoted
FUNCTION DELETE quoted2
FUNCTION DELETE l4
FUNCTION DELETE l5
FUNCTION DELETE abcdefghijklmnopqrstuvwxyz_0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ
# Names that are taken: a library's in its own case, a function's in any
FUNCTION LOAD "#!lua  name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!lua  name=l1\nthis is no Lua"
FUNCTION LOAD "#!lua name=l2\nredis.register_function('F1', function() return 1 end)"
FUNCTION LOAD "#!lua name=L1\nredis.register_function('f2', function() return 1 end)"
FUNCTION LOAD "#!lua name=l3\nredis.register_function('f3', function() return 1 end)\nredis.register_function('f3', function() return 1 end)"
FUNCTION LOAD "#!lua name=l3\nredis.register_function('f3', function() return 1 end)\nredis.register_function('f1', function() return 1 end)"
FUNCTION LIST LIBRARYNAME l3
# REPLACE
FUNCTION LOAD REPLACE
FUNCTION LOAD REPLACE x y
FUNCTION LOAD foo "#!lua name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD "#!lua name=l1\nredis.register_function('f1', function() return 1 end)" REPLACE
FUNCTION LOAD REPLACE "#!lua name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION LOAD replace Replace "#!lua name=l1\nredis.register_function('f9', function() return 1 end)"
FUNCTION LOAD REPLACE "#!lua name=l1\nredis.register_function('F2', function() return 1 end)"
FUNCTION LOAD REPLACE "#!lua name=l1\nthis is no Lua"
FUNCTION LOAD REPLACE "#!lua name=new\nredis.register_function('f1', function() return 1 end)"
FUNCTION LIST LIBRARYNAME l?
FUNCTION LIST LIBRARYNAME new
# DELETE and FLUSH
FUNCTION DELETE
FUNCTION DELETE l1 x
FUNCTION DELETE nope
FUNCTION DELETE NEW
FUNCTION DELETE new
FUNCTION DELETE new
FUNCTION FLUSH foo
FUNCTION FLUSH ASYNC SYNC
FUNCTION FLUSH SYNC
FUNCTION LIST
FUNCTION LOAD "#!lua name=l1\nredis.register_function('f1', function() return 1 end)"
FUNCTION FLUSH async
FUNCTION LIST
FUNCTION FLUSH
FUNCTION
FUNCTION foo
FUNCTION HELP x
# FLUSHALL and FLUSHDB leave them
FUNCTION LOAD "#!lua name=l1\nredis.register_function('f1', function() return 1 end)"
SET a b
FLUSHALL
FLUSHDB
DBSIZE
FUNCTION LIST
