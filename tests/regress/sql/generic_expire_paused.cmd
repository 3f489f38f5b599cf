# While clients are paused the keyspace stands still: what has expired is hidden, and removed when the pause is over
SET stays 1
MULTI
SET a 1 PX 20
SET b 1 PX 20
CLIENT PAUSE 60000 WRITE
EXEC
@sleep 400
DBSIZE
GET a
EXISTS a b
MULTI
GET a
EXEC
DBSIZE
@conn w
@send DEL b
@nothing 100
@conn main
DBSIZE
CLIENT UNPAUSE
@conn w
@recv
@conn main
GET a
DBSIZE
