# WAITAOF: until what was written is on this disk. There are no replicas
@redis 7.2
WAITAOF
WAITAOF 1 0
WAITAOF 0 0 0 0
WAITAOF x 0 0
WAITAOF 2 0 0
WAITAOF -1 0 0
WAITAOF 0 x 0
WAITAOF 0 -1 0
WAITAOF 0 0 x
WAITAOF 0 0 -1
WAITAOF 1 0 -1
WAITAOF 1 0 0
WAITAOF 1 1 0
WAITAOF 0 0 0
WAITAOF 0 1 50
EVAL "return redis.call('waitaof', 0, 0, 0)" 0
# Nothing else has the log synced
CONFIG SET appendfsync no
CONFIG SET appendonly yes
WAITAOF 1 0 0
SET k v
WAITAOF 1 0 0
WAITAOF 0 0 0
WAITAOF 1 1 50
WAITAOF 0 1 50
@pipeline begin
INCR n
WAITAOF 1 0 0
INCR n
WAITAOF 1 0 0
GET n
@pipeline end
EVAL "return redis.call('incr', 'n')" 0
MULTI
INCR n
EXEC
FLUSHALL
WAITAOF 1 0 0
MULTI
WAITAOF 1 1 0
EXEC
@conn w
@save id
CLIENT ID
@send WAITAOF 1 1 0
@conn main
@match blocked_clients:1\r
@until
INFO clients
@match total_blocking_keys:0\r
INFO clients
@match flags=b .* cmd=waitaof
CLIENT LIST
CLIENT UNBLOCK %{id}
@conn w
@recv
@send WAITAOF 0 1 0
@conn main
@match blocked_clients:1\r
@until
INFO clients
CLIENT UNBLOCK %{id} ERROR
@conn w
@recv
# Without the log some wait for nothing, and some go on
@send WAITAOF 1 1 0
@conn v
@save id
CLIENT ID
@send WAITAOF 0 1 0
@conn main
@match blocked_clients:2\r
@until
INFO clients
CONFIG SET appendonly no
@conn w
@recv
@conn main
@match blocked_clients:1\r
INFO clients
CLIENT UNBLOCK %{id}
@conn v
@recv
@conn main
WAITAOF 1 0 0
CONFIG SET appendonly yes appendfsync everysec
SET k v
WAITAOF 1 0 0
CONFIG SET appendfsync always
SET k w
WAITAOF 1 0 0
