# Who reads a key whose time is over keeps that it is missing, though NOLOOP says nothing of the expiry it has caused
DEBUG SET-ACTIVE-EXPIRE 0
@conn a
@resp 3
CLIENT TRACKING ON NOLOOP
@conn main
SET k v PX 20
@sleep 60
@conn a
MULTI
GET k
EXEC
@conn main
SET k w
@conn a
PING
@conn main
SET k v PX 20
@sleep 60
@conn a
EVAL "return redis.call('GET', KEYS[1])" 1 k
@conn main
SET k w
@conn a
PING
@conn main
SET k v PX 20
@sleep 60
@conn a
GET k
@conn main
SET k w
@conn a
PING
