# Publish and subscribe, RESP2
@conn s
SUBSCRIBE a b a
@recv
@recv
PSUBSCRIBE x* a
@recv
SSUBSCRIBE s1
@conn main
PUBLISH a one
PUBLISH b ""
PUBLISH xyz "three\r\n\x00"
PUBLISH nobody x
SPUBLISH s1 shard
SPUBLISH a no
PUBLISH s1 no
@conn s
@recv
@recv
@recv
@recv
@recv
PING
PING hello
PING a b
GET k
SET k v
GET
NOSUCH
CLIENT ID
HELLO 3
ECHO x
PUBLISH a x
PUBSUB CHANNELS
UNSUBSCRIBE nothere
UNSUBSCRIBE b
PUNSUBSCRIBE nothere
PUNSUBSCRIBE x*
PUNSUBSCRIBE
SUNSUBSCRIBE
GET k
UNSUBSCRIBE a
GET k
UNSUBSCRIBE
PUNSUBSCRIBE
SUNSUBSCRIBE
SUNSUBSCRIBE s1
PING
@conn main
PUBLISH a gone
PUBLISH xyz gone
SPUBLISH s1 gone
# RESET ends them all
@conn s
SUBSCRIBE r
PSUBSCRIBE r*
SSUBSCRIBE r
RESET
PING
@conn main
PUBLISH r x
PUBSUB NUMPAT
PUBSUB CHANNELS
# QUIT as well
@conn s
SUBSCRIBE r
QUIT
@expect-close
@conn main
@until :0
PUBLISH r x
# confirmations come even without replies
@conn o
@raw-silent "CLIENT REPLY OFF\r\n"
SUBSCRIBE c
@conn main
PUBLISH c x
@conn o
@recv
# patterns
@conn p
PSUBSCRIBE h?llo h[ae]y "q\\*" *
@recv
@recv
@recv
@conn main
PUBLISH hello 1
PUBLISH hay 2
PUBLISH hoy 3
PUBLISH q* 4
PUBSUB NUMPAT
# wrong
SUBSCRIBE
PSUBSCRIBE
SSUBSCRIBE
PUBLISH a
PUBLISH a b c
SPUBLISH a
