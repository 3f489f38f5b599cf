# MGET MSET MSETNX
MSET a 1 b 2 c 3
MGET a b c
MGET a nosuch c
MGET a a a
MGET nosuch
MSET a 1 a 2 a 3
GET a
MSET a 1 b
MSET a
MSET
MGET
MSETNX a 1
MSETNX a
MSETNX x 1 y
MSETNX
MSETNX x 1 a 2
EXISTS x
MSETNX x 1 y 2 z 3
MGET x y z
MSETNX q 1 q 2
GET q
SET t v EX 100
MSET t w
TTL t
MSET "" empty "\x00" zero
MGET "" "\x00"
MSET big %{b*70000} small s
MGET small big
DEL a b c
MSETNX a "" b ""
MGET a b
mget A B
