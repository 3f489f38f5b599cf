# Keyspace events. Pushes are shown before the reply that follows them.
CONFIG SET notify-keyspace-events KEA
@conn s
@resp 3
@send PSUBSCRIBE __key*
PING
SET k v
SET k w EX 100
SET k w NX
SETNX n v
SETEX e 100 v
@conn main
GETSET k x
@conn s
PING
@conn main
SET k y GET KEEPTTL
@conn s
PING
MSET a 1 b 2 a 3
MSETNX a 1 zz 2
MSETNX y1 1 y2 2
APPEND k z
APPEND new z
SETRANGE k 1 abc
SETRANGE k 1 ""
INCR i
DECRBY i 5
INCRBYFLOAT i 1.5
@conn main
GETDEL n
@conn s
PING
@conn main
GETDEL n
@conn s
PING
@conn main
GETEX k EX 100
@conn s
PING
@conn main
GETEX k PERSIST
@conn s
PING
@conn main
GETEX k PERSIST
@conn s
PING
@conn main
GETEX k PXAT 1
@conn s
PING
DEL a b nothere
UNLINK i
RENAME e e2
RENAME e2 e2
RENAMENX e2 new
RENAME e2 new
COPY new copied
COPY new copied REPLACE
COPY nothere copied
MOVE copied 3
@conn main
EXPIRE new 100
@conn s
PING
EXPIRE nothere 100
PERSIST new
PERSIST new
PEXPIREAT new 1
DEBUG SET-ACTIVE-EXPIRE 0
SET short v PX 10
@sleep 30
GET short
@sleep 100
PING
DEBUG SET-ACTIVE-EXPIRE 1
SET bad v
INCR bad
@conn main
MULTI
SET m 1
INCR m
DEL m
PUBLISH __keyfalse x
EXEC
@conn s
PING
CONFIG SET notify-keyspace-events Kgn$
SET t v
SET t w
SET r v EX 100
RENAME r t
COPY t u
CONFIG SET notify-keyspace-events Em
GET nothere
SET t v
@conn main
MGET t no1 no2
@conn s
PING
EXISTS no3
TTL no4
CONFIG SET notify-keyspace-events ""
SET t v
PING
