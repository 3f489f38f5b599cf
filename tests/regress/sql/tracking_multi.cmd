# Inside a transaction, in the order of its commands; its client is told behind EXEC's reply.
@conn c
@resp 3
CLIENT TRACKING ON
MULTI
GET a
SET a 1
EXEC
PING
MULTI
SET a 2
GET a
EXEC
PING
@conn main
SET a 3
@conn c
PING
MULTI
GET a
SET a 1
GET a
SET a 2
GET b
EXEC
PING
@conn main
MSET a 1 b 1
@conn c
PING
# of one that came to nothing nobody is told
GET a
WATCH w
@conn main
SET w 1
@conn c
MULTI
SET a 1
EXEC
MULTI
SET a 1
GET a b
EXEC
MULTI
SET a 1
DISCARD
PING
MULTI
INCR a
LPUSH a x
EXEC
PING
GET a
GET b
@conn main
MULTI
SET a 1
SET b 1
SET a 2
EXEC
@conn c
PING
MULTI
PFCOUNT h
EXEC
PFADD h x
PFCOUNT h
PING
MULTI
PFCOUNT h
EXEC
PFADD h y
PING
MULTI
PFCOUNT h
EXEC
PING
PFCOUNT h
PING
GET a
MULTI
FLUSHALL
EXEC
PING
