# BZPOPMIN BZPOPMAX BZMPOP
ZADD z 1 a 2 b 3.5 c 4 d
BZPOPMIN z 0
BZPOPMAX none z 0
BZPOPMIN none 0.01
BZPOPMAX none other 0.01
BZMPOP 0 2 none z MIN
BZMPOP 0.01 2 none other MAX
ZADD z 1 a 2 b 3 c
BZMPOP 0 1 z MAX COUNT 2
BZMPOP 0 1 z MAX COUNT 9
EXISTS z
ZADD z 1 a inf b -inf c
BZPOPMIN z x
BZPOPMIN z -1
BZPOPMIN z 1e400
BZPOPMAX z
BZMPOP x 1 z MIN
BZMPOP -1 1 z MIN
BZMPOP 0 0 z MIN
BZMPOP x 0 z MIN
BZMPOP x 1 z UP
BZMPOP 0 1 z MIN COUNT 0
BZMPOP 0 1 z MIN COUNT
BZMPOP 0 1 z MIN COUNT 1 COUNT 1
BLMPOP x 0 z LEFT
BLMPOP x 1 z UP
SET s x
BZPOPMIN s 0
BZPOPMIN none s z 0
BZMPOP 0 2 s z MIN
BZPOPMIN z s 0
BLPOP z 0
RPUSH l x
BZPOPMAX l 0
DEL z l
@resp 3
ZADD z 1 a 2.5 b 3 c
BZPOPMIN z 0
BZMPOP 0 1 z MAX COUNT 5
BZPOPMIN none 0.01
BZMPOP 0.01 1 none MIN
@resp 2

# First come first served; one ZADD serves several, the lowest first.
@conn a
@send BZPOPMAX q 0
@blocked
@conn b
@send BZPOPMIN q 0
@blocked
@conn c
@send BZMPOP 0 2 other q MIN COUNT 2
@blocked
@conn main
ZADD q 3 c 1 a 4 d 2 b 5 e
ZRANGE q 0 -1 WITHSCORES
@conn a
@recv
@conn b
@recv
@conn c
@recv
@conn main
DEL q

# Everything that makes a sorted set.
@conn a
@send BZPOPMIN k 0
@blocked
@conn main
ZINCRBY k 5 m
@conn a
@recv
@send BZPOPMIN k 0
@blocked
@conn main
ZADD k INCR 2 m
@conn a
@recv
@send BZPOPMIN k 0
@blocked
@conn main
GEOADD k 13.361389 38.115556 Palermo
@conn a
@recv
@send BZPOPMIN k 0
@blocked
@conn main
ZADD src 1 x 2 y
@conn a
@nothing 50
@conn main
ZUNIONSTORE k 1 src
@conn a
@recv
@conn main
DEL k
@conn a
@send BZPOPMIN k 0
@blocked
@conn main
ZINTERSTORE k 2 src src
@conn a
@recv
@conn main
DEL k
@conn a
@send BZPOPMAX k 0
@blocked
@conn main
ZDIFFSTORE k 2 src none
DEL k
@conn a
@recv
@send BZPOPMAX k 0
@blocked
@conn main
ZRANGESTORE k src 0 0
@conn a
@recv
@send BZPOPMAX k 0
@blocked
@conn main
GEOADD geo 13.361389 38.115556 Palermo
GEOSEARCHSTORE k geo FROMLONLAT 13 38 BYRADIUS 200 km
@conn a
@recv
@send BZPOPMAX k 0
@blocked
@conn main
GEORADIUS geo 13 38 200 km STORE k
@conn a
@recv
@send BZPOPMAX k 0
@blocked
@conn main
COPY src k
@conn a
@recv
@conn main
DEL k
@conn a
@send BZPOPMAX k 0
@blocked
@conn main
RENAME src k
@conn a
@recv
@conn main
SELECT 1
ZADD k 7 seven
SELECT 0
DEL k
@conn a
@send BZPOPMAX k 0
@blocked
@conn main
SELECT 1
MOVE k 0
SELECT 0
@conn a
@recv
@conn main
SELECT 1
ZADD k 8 eight
SELECT 0
@conn a
@send BZPOPMAX k 0
@blocked
@conn main
SWAPDB 0 1
@conn a
@recv
@send BZPOPMAX k 0
@blocked
@conn main
RESTORE k 0 "\x11\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x02\x01\xff\n\x00\xba\a\xf2$\xa9\xd2\x8fU"
@conn a
@recv
@conn main
DEL k

# A wrong type that appears, and goes; lists and sorted sets under one key.
@conn a
@send BZPOPMIN t 0
@blocked
@conn b
@send BLPOP t 0
@blocked
@conn c
@send BZPOPMAX t 0
@blocked
@conn main
SET t string
SADD t2 member
RENAME t2 t
DEL t
RPUSH t element
@conn b
@recv
@send BLPOP t 0
@blocked
@conn main
ZADD t 1 one 2 two 3 three
ZRANGE t 0 -1
@conn a
@recv
@conn c
@recv
@conn main
DEL t
RPUSH t element
@conn b
@recv

# Time-outs, UNBLOCK, a pipeline behind.
@conn a
@save ida
CLIENT ID
@send BZPOPMIN none 0
@blocked
@conn main
CLIENT UNBLOCK %{ida}
@conn a
@recv
@send BZMPOP 0 1 none MAX
@blocked
@conn main
CLIENT UNBLOCK %{ida} ERROR
@conn a
@recv
@send BZPOPMIN pipe 0
@send PING
@send ZPOPMIN pipe
@blocked
@conn main
ZADD pipe 1 a 2 b
@conn a
@recv
@recv
@recv

# MULTI: nothing blocks, and who waits is served behind EXEC.
@conn main
MULTI
BZPOPMIN none 0
BZMPOP 0 1 none MIN
ZADD m 1 a 2 b 3 c
BZPOPMAX m 0
BZMPOP 0 1 m MIN
EXEC
DEL m
@conn a
@send BZPOPMIN k 0
@blocked
@conn main
MULTI
ZADD k 1 one
ZADD k -1 minus
DEL k
ZADD k 5 five 6 six
ZCARD k
EXEC
ZRANGE k 0 -1
@conn a
@recv
@send BZPOPMIN gone 0
@blocked
@conn main
MULTI
ZADD gone 1 one
DEL gone
EXEC
@conn a
@nothing 50
@conn main
ZADD gone 2 two
@conn a
@recv
