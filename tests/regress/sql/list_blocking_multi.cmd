# Blocking commands within MULTI do not block; who waits is served behind EXEC.
MULTI
BLPOP none 0
BLMPOP 0 1 none LEFT
BLMOVE none m LEFT LEFT 0
RPUSH l 1 2 3
BLPOP l 0
BRPOPLPUSH l m 0
EXEC
LRANGE l 0 -1
DEL l m
@conn a
@send BLPOP k 0
@blocked
@conn main
MULTI
RPUSH k 1
LLEN k
BLPOP k 0
RPUSH k 2 3
LLEN k
EXEC
LRANGE k 0 -1
@conn a
@recv
@send BLPOP gone 0
@blocked
@conn main
MULTI
RPUSH gone 1
DEL gone
EXEC
@conn a
@nothing 100
@conn main
RPUSH gone 2
@conn a
@recv
