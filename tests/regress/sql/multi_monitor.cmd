# a watcher sees MULTI when it comes, what was queued when it runs, and EXEC behind it
@sub /\d+\.\d+ \[(\d+) [^\]]*\]/TIME [\1 ADDR]/
@conn watcher
MONITOR
@conn main
MULTI
SET a 1
SELECT 3
SET b 2
CONFIG GET maxmemory
EXEC
@conn watcher
@recv
@recv
@recv
@recv
@recv
@nothing 200
@conn main
MULTI
GET a
DISCARD
WATCH a
SET a 1
MULTI
GET a
EXEC
@conn watcher
@recv
@recv
@recv
@recv
@recv
@recv
@nothing 200
# it cannot be asked for inside a transaction
@conn third
MULTI
MONITOR
EXEC
