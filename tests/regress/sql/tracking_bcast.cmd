# BCAST: all keys with a prefix, read or not; those of a turn come together. What another connection changes may come in a turn
# with what it changes next: so c looks in between.
@conn c
@resp 3
CLIENT TRACKING ON BCAST PREFIX a PREFIX b
GET x
GET c
@conn main
SET a 1
@conn c
PING
@conn main
MSET ab 1 b 1 c 1 a 1 bb 1 bb 2
@conn c
PING
@conn main
DEL a nothing
DEL nothing
@conn c
PING
@conn main
SET c 1
RENAME ab c
@conn c
PING
# its own changes, behind everything
SET b 2
PING
@pipeline begin
SET b 2
SET ba 2
PING
@pipeline end
PING
MULTI
SET b 2
SET bz 2
SET a 2
EXEC
PING
# all keys
DEBUG SET-ACTIVE-EXPIRE 0
CLIENT TRACKING OFF
CLIENT TRACKING ON BCAST
SET z 1 PX 30
PING
@sleep 100
GET z
PING
@conn main
SELECT 3
SET any 1
@conn c
PING
@conn main
FLUSHDB
@conn c
PING
# two of a kind, one without what it has changed itself
@conn d
@resp 3
CLIENT TRACKING ON BCAST NOLOOP
SET k 1
PING
@conn c
PING
@conn main
SET k 2
@conn d
PING
@conn c
PING
@conn d
SET k2 1 PX 30
@conn c
PING
@conn d
@sleep 100
GET k2
PING
@conn c
PING
CLIENT TRACKING OFF
@conn d
CLIENT TRACKING OFF
@conn main
SET k 2
@conn c
PING
@conn d
PING
