# CLIENT PAUSE and UNPAUSE
CLIENT PAUSE
CLIENT PAUSE abc
CLIENT PAUSE -1
CLIENT PAUSE 10 BOGUS
CLIENT PAUSE 10 WRITE x
CLIENT UNPAUSE
CLIENT UNPAUSE x
CLIENT PAUSE 0
SET a 1
CLIENT PAUSE 60000 WRITE
GET a
PING
@conn w
GET a
@send SET a 2
@nothing 200
@conn main
GET a
CLIENT UNPAUSE
@conn w
@recv
GET a
@conn main
CLIENT PAUSE 100 write
SET a 3
CLIENT PAUSE 150
GET a
CLIENT PAUSE 3000 ALL
@conn w
@send PING
@nothing 300
@recv
@conn main
SET x v
CLIENT PAUSE 60000 WRITE
@conn w
@send INCR n
@conn w2
@send INCR n
@nothing 100
@conn main
CLIENT UNPAUSE
@conn w
@type
@recv
@conn w2
@type
@recv
GET n
