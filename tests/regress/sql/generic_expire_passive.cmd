# With the background cycle off, keys that are over are still hidden, and go when touched.
DEBUG SET-ACTIVE-EXPIRE 0
SET a v PX 20
SET b v PX 20
SET c v PX 20
SET d v
@sleep 60
DBSIZE
GET a
DBSIZE
EXISTS b c
DBSIZE
SET e v PX 20
SET f v PX 20
@sleep 60
@sort
KEYS *
@scanall SCAN 0
RANDOMKEY
DBSIZE
SET g v PX 20
@sleep 60
@ignore
OBJECT ENCODING g
TYPE g
TOUCH g
DEL g
DEBUG SET-ACTIVE-EXPIRE 1
SET h v PX 20
@until :1
DBSIZE
DEBUG SET-ACTIVE-EXPIRE
DEBUG SET-ACTIVE-EXPIRE 1 2
