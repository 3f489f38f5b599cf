# FUNCTION DUMP and RESTORE: the payloads are redis-server's, byte for byte
FUNCTION DUMP
FUNCTION LOAD "#!lua name=a\nredis.register_function('f', function() return 1 end)"
FUNCTION DUMP
@save one
FUNCTION DUMP
FUNCTION DUMP x
FUNCTION RESTORE %{one}
FUNCTION RESTORE %{one} APPEND
FUNCTION RESTORE %{one} REPLACE
FUNCTION RESTORE %{one} flush
FUNCTION RESTORE %{one} FLUSH APPEND
FUNCTION RESTORE %{one} foo
FUNCTION RESTORE
FUNCTION RESTORE ""
FUNCTION RESTORE "123456789"
FUNCTION RESTORE "\xf5\x01a\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
SET k v
@save value
DUMP k
FUNCTION RESTORE %{value}
RESTORE k2 0 %{one}
FUNCTION LIST
FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('g', function() return 2 end)"
FUNCTION RESTORE %{one} APPEND
FUNCTION RESTORE %{one} REPLACE
FUNCTION LIST
FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('g', function() return 2 end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('F', function() return 3 end)"
FUNCTION RESTORE %{one} REPLACE
FUNCTION RESTORE %{one} FLUSH
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=lllllllllllllllllllllllllllllllllllll\nredis.register_function('ffffffffffffffffffffffffffffffffffffffffffff', function() return 1 end)"
FUNCTION DUMP
FUNCTION FLUSH
# Payloads of two libraries, and with something wrong in them
FUNCTION RESTORE "\xf5@A#!lua name=a\x0aredis.register_function('f',function() return 1 end)\xf5@A#!lua name=b\x0aredis.register_function('g',function() return 1 end)\x0a\x00\xb7\xa4\x9f\x96\xf0\x1e\x9fz"
@sort
FUNCTION LIST
FUNCTION RESTORE "\xf5@A#!lua name=c\x0aredis.register_function('h',function() return 1 end)\xf5@B#!lua name=a\x0aredis.register_function('f9',function() return 1 end)\x0a\x00\xb0\x0f\xe0)\x06V\x16\x07"
FUNCTION RESTORE "\xf5@A#!lua name=c\x0aredis.register_function('h',function() return 1 end)\xf5@B#!lua name=c\x0aredis.register_function('h2',function() return 1 end)\x0a\x000\xa2#e\x0a\x8a\xcd\xd2" REPLACE
FUNCTION RESTORE "\xf5@A#!lua name=c\x0aredis.register_function('h',function() return 1 end)\xf5@A#!lua name=d\x0aredis.register_function('h',function() return 1 end)\x0a\x00\x84\xe1.\xf3\x0d\x96<\x0d" REPLACE
FUNCTION RESTORE "\xf5@A#!lua name=c\x0aredis.register_function('f',function() return 1 end)\x0a\x00\xb4'\xdc\xf6\x98\xd3\xeao" REPLACE
FUNCTION RESTORE "\xf5@A#!lua name=c\x0aredis.register_function('F',function() return 1 end)\x0a\x00\x89\xbb\xff@Z\x02R\xcc" APPEND
FUNCTION RESTORE "\xf5@B#!lua name=a\x0aredis.register_function('f7',function() return 1 end)\x0a\x00-G\xe1}\xa8@\xf3\xab" REPLACE
FUNCTION RESTORE "\xf5@B#!lua name=b\x0aredis.register_function('x1',function() return 1 end)\xf5@A#!lua name=z\x0aredis.register_function('g',function() return 1 end)\x0a\x00\x83\xa6/1P<\xb9\xb5" REPLACE
FUNCTION RESTORE "\xf5@B#!lua name=k\x0aredis.register_function('k1',function() return 1 end)\x00\x01v\x0a\x00\xdf;\xb9D\x9c\xc4\x1f\xc0"
FUNCTION RESTORE "\xf5@B#!lua name=k\x0aredis.register_function('k1',function() return 1 end)\x00\x01v\x0a\x00\xdf;\xb9D\x9c\xc4\x1f\xc0" FLUSH
FUNCTION RESTORE "\xf5\x0a\x00?\x97u!\x84\xd9\x5c\xa4"
FUNCTION RESTORE "\xf5P\x05ab\x0a\x00w@P\x87\xf4<cg"
FUNCTION RESTORE "\xf5\xc7ab\x0a\x00X!\x99\x80\x8c\xe1\x98i"
FUNCTION RESTORE "\xf5\xc3\x05\x10abcde\x0a\x00E\x0d'\xb7\xb5y\xe6\x00"
FUNCTION RESTORE "\xf5\xc0\x05\x0a\x00\x15\x0at\xee\xf2w\xaf6"
FUNCTION RESTORE "\xf5\x04junk\x0a\x00\x0a3\x12\x93>9\xe3\xd5"
FUNCTION RESTORE "\xf5\x11#!lua name=x\x0afoo(\x0a\x00v\x04\xcf(\x99\x9e\xc7E"
FUNCTION RESTORE "\xf5\x12#!lua name=x\x0afoo()\x0a\x00i\x88\x8a\xf6\x1b\xc8\x1c\x10"
FUNCTION RESTORE "\xf5\x0d#!lua name=x\x0a\x0a\x00\x80!\xb6(\xc8\x81T\xba"
FUNCTION RESTORE "\xf5@B#!lua name=w\x0aredis.register_function('w1',function() return 1 end)\x09\x00\x97b\xeefY\xd1\xa0x"
FUNCTION RESTORE "\xf5@C#!lua name=w2\x0aredis.register_function('w2',function() return 1 end)\x00\x00\xa4\xcd\x00\x9096m\xde"
FUNCTION RESTORE "\xf5@C#!lua name=w3\x0aredis.register_function('w3',function() return 1 end),\x01ic\xf7t\xa7\xbb:\xac"
@sort
FUNCTION LIST
FUNCTION RESTORE "\x0a\x00]\x9b\x5c@\x0f\x7f\xa2\xda" FLUSH
FUNCTION LIST
