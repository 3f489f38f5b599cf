# Publish and subscribe, RESP3. Pushes are shown before the reply that follows them.
@conn s
@resp 3
@send SUBSCRIBE a b
@send PSUBSCRIBE a*
@send SSUBSCRIBE a
PING
PUBLISH a self
SPUBLISH a self
GET k
SET k v
PING
PING x
PUBSUB NUMSUB a b c
PUBSUB NUMPAT
PUBSUB CHANNELS a*
CLIENT GETNAME
@conn main
PUBLISH a other
PUBLISH ab other
SPUBLISH a other
@conn s
PING
@pipeline begin
PUBLISH b 1
SET k w
PUBLISH b 2
GET k
@pipeline end
@send UNSUBSCRIBE b
PUBLISH b 3
@send PUBLISH n 1
@send SUBSCRIBE n
@send PUBLISH n 2
@send PUBSUB NUMSUB n
@send UNSUBSCRIBE n
@send PUBSUB NUMSUB n
@recv
@recv
@recv
@recv
@recv
@recv
@recv
# the protocol of messages is that of the moment
@ignore
HELLO 2
GET k
@conn main
PUBLISH a two
@conn s
@recv
@recv
PING
UNSUBSCRIBE
PUNSUBSCRIBE
SUNSUBSCRIBE
UNSUBSCRIBE
@conn m
@resp 3
@send UNSUBSCRIBE
@send PUNSUBSCRIBE x
@send SUNSUBSCRIBE
PING
@raw-silent "CLIENT REPLY OFF\r\n"
@send SUBSCRIBE o
@send PUBLISH o x
CLIENT REPLY ON
@send CLIENT REPLY SKIP
@send PUBLISH o y
PING
