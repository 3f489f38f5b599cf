# PUBSUB, and what others tell of subscribers
PUBSUB CHANNELS
PUBSUB NUMPAT
PUBSUB NUMSUB
PUBSUB NUMSUB a
PUBSUB SHARDNUMSUB
PUBSUB SHARDNUMSUB a b
PUBSUB SHARDCHANNELS
PUBSUB
PUBSUB NOSUCH
PUBSUB CHANNELS a b
PUBSUB SHARDCHANNELS a b
PUBSUB NUMPAT a
@conn a
SUBSCRIBE one two
@recv
PSUBSCRIBE p1
@conn b
SUBSCRIBE two three
@recv
PSUBSCRIBE p1 p2
@recv
@conn c
SSUBSCRIBE one sh
@recv
@conn d
SUBSCRIBE two
@conn main
@sort
PUBSUB CHANNELS
@sort
PUBSUB CHANNELS t*
PUBSUB CHANNELS nosuch
PUBSUB CHANNELS ""
PUBSUB NUMSUB one two three four two
PUBSUB NUMPAT
@sort
PUBSUB SHARDCHANNELS
PUBSUB SHARDCHANNELS s*
PUBSUB SHARDNUMSUB one sh two
@match pubsub_channels:3\r\npubsub_patterns:2\r\npubsubshard_channels:2\r\n
INFO stats
PUBLISH two x
PUBLISH p1 x
SPUBLISH one x
@conn d
@recv
@conn c
@recv
@close
@conn d
@close
@conn main
@until (empty array)
PUBSUB SHARDCHANNELS
@until
@match \A[^\n]*\n[^\n]*\n\Z
CLIENT LIST TYPE pubsub
@match (sub=2 psub=1.*sub=2 psub=2|sub=2 psub=2.*sub=2 psub=1)
CLIENT LIST TYPE pubsub
@match ^[^P]*$
CLIENT LIST TYPE normal
CLIENT KILL TYPE pubsub
@until (empty array)
PUBSUB CHANNELS
@until :0
PUBSUB NUMPAT
@until ""
CLIENT LIST TYPE pubsub
# a subscriber of many
@conn many
SUBSCRIBE %{x*50} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
@recv
@recv
@conn main
@until :1
PUBLISH 20 x
PUBLISH %{x*50} x
@conn many
@close
@conn main
@until (empty array)
PUBSUB CHANNELS
