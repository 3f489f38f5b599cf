@redis 7.4
# The background cycle removes fields whose time is over, and hashes with their last one; what subscribers hear of it; a watched
# key. The expectation is derived from the documentation of Redis 7.4.
CONFIG RESETSTAT
HSET h a 1 b 2 c 3
HSET one a 1
HPEXPIRE h 20 FIELDS 2 a b
HPEXPIRE one 20 FIELDS 1 a
@until :1
DBSIZE
@until "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"
INFO keyspace
HGETALL h
@until
@match expired_keys:0\r\nexpired_subkeys:3\r\n
INFO stats
# Events: h is the class of hashes, g that of del
HSET e a 1 b 2
HSET f a 1
HSET g a 1 b 2
HSET v a 1 b 2
HSET y a 1
CONFIG SET notify-keyspace-events Khg
@conn s
@resp 3
@send PSUBSCRIBE *
PING
HPEXPIRE h 100000 FIELDS 2 c x
@recv
HPEXPIRE h 100000 NX FIELDS 1 c
HPERSIST h FIELDS 2 c x
@recv
HPERSIST h FIELDS 2 c x
@nothing 50
HPEXPIREAT h 0 FIELDS 1 c
@recv
@recv
@conn main
HPEXPIRE e 20 FIELDS 1 a
@conn s
@recv
@recv
@conn main
HPEXPIRE f 20 FIELDS 1 a
@conn s
@recv
@recv
@recv
# One that a command meets before the cycle does
DEBUG SET-ACTIVE-EXPIRE 0
HPEXPIRE g 20 FIELDS 1 a
@recv
@sleep 60
HDEL g a
@nothing 100
# and one that goes with its key
HPEXPIRE y 20 FIELDS 1 a
@recv
@sleep 60
HPERSIST y FIELDS 1 a
@recv
@recv
@conn main
# Who watches a hash learns that it has lost a field
HPEXPIRE v 20 FIELDS 1 b
@conn w
WATCH v
@conn main
DEBUG SET-ACTIVE-EXPIRE 1
@until "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n"
INFO keyspace
@conn w
MULTI
PING
EXEC
HGETALL v
