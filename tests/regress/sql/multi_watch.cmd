SET a 1
SET b 1
WATCH a
MULTI
INCR b
EXEC
# changed by oneself
WATCH a
SET a 2
MULTI
INCR b
EXEC
# EXEC forgets what was watched
MULTI
INCR b
EXEC
# by another
WATCH a b
@conn other
SET b 7
@conn main
MULTI
GET b
EXEC
# another key
WATCH a
@conn other
SET z 7
@conn main
MULTI
GET z
EXEC
# inside MULTI, before EXEC
WATCH a
MULTI
GET a
@conn other
SET a 9
@conn main
EXEC
# UNWATCH, DISCARD
WATCH a
SET a 10
UNWATCH
MULTI
GET a
EXEC
WATCH a
SET a 11
MULTI
DISCARD
MULTI
GET a
EXEC
# UNWATCH inside MULTI is a command like others
WATCH a
MULTI
UNWATCH
GET a
EXEC
WATCH a
SET a 12
MULTI
UNWATCH
EXEC
# absent, then set; then set and deleted again
WATCH none
MULTI
PING
EXEC
WATCH none
SET none 1
MULTI
PING
EXEC
DEL none
WATCH none
SET none 1
DEL none
MULTI
PING
EXEC
# deleting what is absent changes nothing
WATCH none
DEL none
MULTI
PING
EXEC
# a read is no change, a write of the same value is one
WATCH a
GET a
TTL a
MULTI
PING
EXEC
WATCH a
SET a 12
MULTI
PING
EXEC
# expiry
SET e v
WATCH e
EXPIRE e 100
MULTI
PING
EXEC
@pipeline begin
SET e v PX 1000
WATCH e
@pipeline end
@sleep 1050
MULTI
PING
EXEC
@pipeline begin
SET e v PX 1000
WATCH e
@pipeline end
@sleep 1050
GET e
MULTI
PING
EXEC
SET e v PX 1
@sleep 20
WATCH e
MULTI
PING
EXEC
# a key belongs to a database
SELECT 1
SET a 1
SELECT 0
WATCH a
SELECT 1
SET a 2
SELECT 0
MULTI
PING
EXEC
WATCH a
SELECT 1
MULTI
SET a 3
EXEC
GET a
SELECT 0
GET a
# FLUSHDB and FLUSHALL concern those that exist
WATCH a
FLUSHALL
MULTI
PING
EXEC
WATCH a
FLUSHALL
MULTI
PING
EXEC
SET a 1
WATCH a
SELECT 1
FLUSHDB
SELECT 0
MULTI
PING
EXEC
WATCH b
FLUSHDB
SET b 1
DEL b
MULTI
PING
EXEC
# SWAPDB
SET a 1
WATCH a
SWAPDB 0 1
MULTI
PING
EXEC
WATCH a
SWAPDB 0 1
MULTI
PING
EXEC
WATCH none
SWAPDB 0 1
MULTI
PING
EXEC
SWAPDB 0 1
WATCH a
SWAPDB 1 2
MULTI
PING
EXEC
# a rename, a move and a copy change both ends
MSET s 1 t 2
WATCH t
RENAME s t
MULTI
PING
EXEC
WATCH t
MOVE t 3
MULTI
PING
EXEC
# EXEC of a spoiled transaction forgets, too
SET a 1
WATCH a
SET a 2
MULTI
NOSUCH
EXEC
MULTI
GET a
EXEC
# the null reply in RESP3
@resp 3
WATCH a
SET a 3
MULTI
GET a
EXEC
MULTI
HELLO 2
GET nosuch
@pick 1
EXEC
GET nosuch
# a transaction that is tried again, for a script names keys that were not declared: its own first try is nobody else's change
WATCH a
MULTI
SET a 4
EVAL "for i = 1, 2000 do redis.call('SET', 'unnamed' .. i, i) end return 1" 0
EXEC
GET a
FLUSHDB
