# Keys that a client has read: it is told once when they change. Pushes are shown before the reply that follows them.
@conn c
@resp 3
CLIENT TRACKING ON
SET own 1
GET own
GET none
MGET a b own
@conn main
SET own 2
SET own 3
SET none 1
@conn c
PING
@conn main
MSET a 1 b 1
@conn c
PING
# its own changes are told behind the reply
GET own
SET own 4
PING
@pipeline begin
GET own
SET own 5
GET own
DEL own
PING
@pipeline end
PING
# what only looks at a key counts as reading it, what fails too
EXISTS k1
TTL k2
TYPE k3
STRLEN k4
LPUSH list 1
LLEN list
GET list
OBJECT ENCODING k5
TOUCH k6
DUMP k7
SINTERCARD 2 k8 k9
SORT_RO k10
PFCOUNT h
@conn main
SET k1 1
SET k2 1
SET k3 1
SET k4 1
RPUSH list 1
SET k5 1
SET k6 1
SET k7 1
SADD k8 1
SADD k9 1
RPUSH k10 1
PFADD h 1
@conn c
PING
# what does not count: commands that write, or name no keys
GETSET k1 2
INCR k2
GETDEL k3
SET k3 1 GET
GETEX k4 PERSIST
@ignore
KEYS k*
@ignore
SCAN 0
DBSIZE
@conn main
SET k1 3
SET k2 3
SET k3 3
SET k4 3
@conn c
PING
# every way to change a key
GET e
@conn main
SET e 1
@conn c
GET e
@conn main
EXPIRE e 100
@conn c
GET e
@conn main
EXPIREAT e 99999999999
@conn c
GET e
@conn main
EXPIREAT e 99999999999
@conn c
GET e
@conn main
PERSIST e
@conn c
GET e
@conn main
PERSIST e
APPEND e x
@conn c
GET e
@conn main
RENAME e f
@conn c
MGET e f
@conn main
COPY f e
@conn c
MGET e f
@conn main
MOVE f 3
@conn c
MGET e f
@conn main
DEL f
UNLINK e
@conn c
PING
MGET e f
# databases do not count
@conn main
SELECT 4
SET e 1
SELECT 0
@conn c
PING
# time
DEBUG SET-ACTIVE-EXPIRE 0
@pipeline begin
SET t 1 PX 1000
GET t
@pipeline end
@sleep 1050
GET t
GET t
@conn main
FLUSHALL
@conn c
PING
@conn main
SET t 1 PX 3000
@conn c
GET t
@conn main
DEBUG SET-ACTIVE-EXPIRE 1
@until :0
DBSIZE
@conn c
PING
# all at once
GET a
@conn main
FLUSHALL
@conn c
PING
@conn main
SET a 1
@conn c
PING
FLUSHDB
PING
FLUSHALL
PING
# not after OFF, and again after ON
GET a
CLIENT TRACKING OFF
@conn main
SET a 1
@conn c
PING
GET a
CLIENT TRACKING ON
@conn main
SET a 2
@conn c
PING
GET a
CLIENT TRACKING OFF
CLIENT TRACKING ON
@conn main
SET a 2
@conn c
PING
# nothing in RESP2
GET a
@resp 2
@conn main
SET a 3
@conn c
PING
@resp 3
PING
# nobody wants replies
GET a
@raw-silent "CLIENT REPLY OFF\r\nSET b 1\r\n"
@conn main
SET a 4
@conn c
@recv
@send SET b 2
@send GET b
@send SET b 3
@recv
CLIENT REPLY ON
@conn main
DEBUG RELOAD
@conn c
PING
