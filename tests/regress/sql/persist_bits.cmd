# What changes bits and registers in place comes back from the log, PFCOUNT's note included.
@config --appendonly yes --appendfsync always
SETBIT b 7 1
SETBIT b 100000 1
BITFIELD b SET u8 #3 200 INCRBY i64 #100 -5 OVERFLOW FAIL SET u8 #4 300
BITOP NOT d b
BITOP AND b2 d nosuch
PFADD h a b c
PFCOUNT h
PFADD dense x
PFDEBUG TODENSE dense
PFADD dense y z
PFCOUNT dense
PFADD stale a
PFMERGE m h dense
PFCOUNT m
DEBUG LOADAOF
BITCOUNT b
BITCOUNT d
STRLEN b2
GET h
GETRANGE dense 0 15
BITCOUNT dense
GETRANGE m 0 15
BITCOUNT m
GET stale
PFCOUNT h dense stale
