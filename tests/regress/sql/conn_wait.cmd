# WAIT, where there are no replicas
WAIT
WAIT 0 0
WAIT -1 0
WAIT 0 x
WAIT 1 -1
WAIT x 0
WAIT 1 1.5
WAIT 0 -5
WAIT 99999999999999999999 1
WAIT 0 0 0
WAIT 1 50
MULTI
WAIT 1 0
EXEC
EVAL "return redis.call('wait', 0, 0)" 0
# It blocks, and what is behind it waits
@conn w
@save id
CLIENT ID
@send WAIT 1 0
@conn main
@match blocked_clients:1\r
@until
INFO clients
@match flags=b .* cmd=wait
CLIENT LIST
CLIENT UNBLOCK %{id}
@conn w
@recv
@send WAIT 2 0
@conn main
@match blocked_clients:1\r
@until
INFO clients
CLIENT UNBLOCK %{id} TIMEOUT
@conn w
@recv
@send WAIT 1 9000000000000000
@conn main
@match blocked_clients:1\r
@until
INFO clients
CLIENT UNBLOCK %{id} ERROR
CLIENT UNBLOCK %{id}
@conn w
@recv
@pipeline begin
SET k v
WAIT 1 50
GET k
WAIT 1 20
PING
@pipeline end
# One that hangs up
@send WAIT 1 0
@conn main
@match blocked_clients:1\r
@until
INFO clients
@conn w
@close
@conn main
@match blocked_clients:0\r
@until
INFO clients
