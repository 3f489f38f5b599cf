# out of place
EXEC
DISCARD
MULTI
MULTI
WATCH a
EXEC
# refused while queueing: EXEC is refused as well
MULTI
SET a 1
NOSUCH
EXEC
EXISTS a
MULTI
SET a
SET a 1
EXEC
EXISTS a
MULTI
CLIENT NOSUCH
EXEC
MULTI
SAVE
SHUTDOWN
EXEC
MULTI
SET a 1
NOSUCH
DISCARD
EXISTS a
# errors while running do not undo the others
SET n abc
MULTI
SET a 1
INCR n
SET a 2 NX XX
INCRBY a 5
SETRANGE a -1 x
GETRANGE a x y
EXPIRE a notanumber
GET a
EXEC
GET a
# arguments that fit no plan of keys
MULTI
COPY a b DB 99
MSET a 1 b
SET c 3
EXEC
MGET a b c
# wrong number of arguments for EXEC and its like
EXEC x
MULTI
EXEC x
EXEC
MULTI
DISCARD x
EXEC
MULTI
MULTI x
EXEC
WATCH
MULTI
WATCH
EXEC
UNWATCH x
# after a refused EXEC nothing is queued
GET a
