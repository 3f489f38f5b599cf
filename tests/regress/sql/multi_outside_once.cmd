# What concerns no key runs once before the transaction, however often the slow lane tries that
@redis 7.2
@config --busy-reply-threshold 60000
@config --slow-lanes 3
CONFIG SET bind 127.0.0.1
SET k 0
@conn a
@send EVAL "redis.call('get', KEYS[1]) while true do end" 1 k
@nothing 300
@conn b
MULTI
CONFIG SET bind "127.0.0.1 127.0.0.2"
INCR k
@send EXEC
@conn main
@match "127.0.0.1 127.0.0.2"
@until
CONFIG GET bind
CONFIG SET bind 127.0.0.1
@nothing 200
CONFIG GET bind
@until +OK
SCRIPT KILL
@conn a
@match Error running script|killed by user
@recv
@conn b
@recv
CONFIG GET bind
GET k
