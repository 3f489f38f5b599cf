# DEBUG SLEEP: redis-server stands still meanwhile; of ours only the client waits that has asked
@redis 7.2
@conn a
@send DEBUG SLEEP 60
@conn b
@send DEBUG SLEEP 60
@conn main
KEYS *
SET k v
GET k
@conn a
@nothing 100
@conn main
CLIENT KILL TYPE normal
@conn a
@expect-close
@conn b
@expect-close
# what stands behind it waits with it
@conn main
@pipeline begin
DEBUG SLEEP 0.05
PING
DEBUG SLEEP 0.0001
ECHO b
@pipeline end
# the reply is dropped where no reply is wanted
@send CLIENT REPLY SKIP
@send DEBUG SLEEP 0.01
PING
@send CLIENT REPLY OFF
@send DEBUG SLEEP 0.01
CLIENT REPLY ON
PING
# its duration is counted
CONFIG SET slowlog-log-slower-than 1000000
SLOWLOG RESET
DEBUG SLEEP 1.01
@pick 0.3
SLOWLOG GET
DEBUG SLEEP -1
DEBUG SLEEP nonsense
