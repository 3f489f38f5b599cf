# what EXEC as a whole is refused for
@conn strict
SET a 1
MULTI
SET a 2
GET a
@conn main
CONFIG SET maxmemory 1
@conn strict
GET a
@conn main
CONFIG SET maxmemory 0
@conn strict
EXEC
GET a
MULTI
SET a 2
@conn main
CONFIG SET maxmemory 1
@conn strict
EXEC
GET a
MULTI
GET a
EXEC
MULTI
@conn main
CONFIG SET maxmemory 0
@conn strict
EXEC
MULTI
GET a
@conn main
CONFIG SET maxmemory 1
@conn strict
EXEC
@conn main
CONFIG SET maxmemory 0
# a client that must log in
@conn stranger
PING
@conn main
CONFIG SET requirepass pw
@conn late
MULTI
EXEC
DISCARD
WATCH a
AUTH pw
MULTI
SET a 5
EXEC
@conn main
CONFIG SET requirepass ""
# statistics: each command counts, EXEC as well
CONFIG RESETSTAT
MULTI
SET a 1
GET a
INCR nothing
INCRBY a x
EXEC
@match cmdstat_exec:calls=1,.*failed_calls=0
INFO commandstats
@match cmdstat_set:calls=1,
INFO commandstats
@match cmdstat_incrby:calls=1,.*failed_calls=1
INFO commandstats
@match errorstat_ERR:count=1
INFO errorstats
# CLIENT LIST and INFO tell how many commands wait
MULTI
PING
PING
@conn other
@match cmd=ping.*|multi=2
CLIENT LIST
@match flags=x .*multi=2
CLIENT LIST
@conn main
EXEC
@match flags=N .*multi=-1
CLIENT INFO
MULTI
CLIENT INFO
DISCARD
