# maxmemory with noeviction refuses what would add, and nothing else.
SET k v
SET n 1
CONFIG SET maxmemory 1
SET k w
GET k
INCR n
APPEND k x
SETRANGE k 0 x
MSET a 1
SETNX a 1
GETSET k x
DEL n
EXPIRE k 1000
PERSIST k
RENAME k k2
GETEX k2 EX 100
GETDEL k2
COPY a b
EXISTS k2
PING
CONFIG SET maxmemory 0
SET k w
GET k
# with a policy keys go until the limit is kept, also while nobody asks for anything
DEBUG POPULATE 200000
CONFIG SET maxmemory-policy allkeys-random
CONFIG SET maxmemory 1
@until :0
DBSIZE
