# SET with its options, and what it refuses.
SET k v
GET k
GET missing
SET k ""
GET k
SET "" empty-key
GET ""
SET bin "\x00\x01\xff\r\n"
GET bin
STRLEN bin
SET k v EX 100
@about 100
TTL k
SET k v2
@about 100
TTL k
SET k v3 PX 100000
PTTL nosuch
SET k v4 KEEPTTL
@about 100000
PTTL k
GET k

# conditions
SET k no NX
GET k
SET new yes NX
SET nothere no XX
EXISTS nothere
SET new again XX
GET new
SET k v NX XX
SET k v XX NX

# GET
DEL k
SET k v1 GET
GET k
SET k v2 GET
SET k v3 NX GET
GET k
DEL n
SET n v3 NX GET
GET n
SET n2 v XX GET
EXISTS n2
SET k v5 XX GET EX 10
@about 10
TTL k
SET k v6 get keepttl
@about 10
TTL k

# any case, any order
sEt k v eX 100 nX
set k v xx eX 100
@about 100
ttl k
SET k v ex 100 XX get
set k v pX 5000 Xx

# absolute expiry
SET k v EXAT 33177117420
EXPIRETIME k
SET k v PXAT 33177117420000
PEXPIRETIME k
SET k v EXAT 1
EXISTS k
GET k
SET k v PXAT 1
EXISTS k
SET k v PXAT 1 GET

# refusals
SET
SET k
SET k v bogus
SET k v EX
SET k v PX
SET k v EXAT
SET k v PXAT
SET k v NX EX
SET k v EX ten
SET k v EX 1.5
SET k v EX ""
SET k v EX " 1"
SET k v EX 0
SET k v EX -1
SET k v PX 0
SET k v PX -5
SET k v EXAT 0
SET k v EXAT -1
SET k v PXAT 0
SET k v EX 9223372036854775807
SET k v EX 9223372036854775
SET k v EX 9223372036854776
SET k v PX 9223372036854775807
SET k v EXAT 9223372036854775807
SET k v PXAT 9223372036854775807
@ignore
PTTL k
SET k v EX 9223372036854775808
SET k v EX 1 PX 1
SET k v EX 1 EX 1
SET k v EX 1 KEEPTTL
SET k v KEEPTTL EX 1
SET k v KEEPTTL PXAT 1
SET k v EXAT 1 PXAT 1
SET k v PX 1 PXAT 1
SET k v KEEPTTL KEEPTTL
SET k v GET GET
SET k v NX NX
SET k v XX XX
SET k v PERSIST
DEL k

# a refused SET changes nothing
SET k old EX 1000
SET k new EX 0
GET k
@about 1000
TTL k

# SETNX SETEX PSETEX
DEL k
SETNX k a
SETNX k b
GET k
@about 0
TTL k
SETEX k 100 v
@about 100
TTL k
GET k
PSETEX k 100000 w
GET k
SETEX k 0 v
SETEX k -10 v
SETEX k ten v
SETEX k 9223372036854775807 v
SETEX k 9223372036854776 v
PSETEX k 0 v
PSETEX k -1 v
PSETEX k 1.0 v
PSETEX k 9223372036854775807 v
GET k
SETNX k 
SETEX k 10
SETNX k a b
SETEX k 10 v x
PSETEX k 10

# long values and keys
SET %{k*300} %{v*20000}
GET %{k*300}
STRLEN %{k*300}
SET big %{0123456789*100000}
STRLEN big
GET big
