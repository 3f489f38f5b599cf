# MONITOR
@sub /\d+\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\]/TIME [\1 ADDR]/
@conn m
MONITOR
@conn main
SET k "v \"quoted\" \x01"
GET k
SELECT 2
INCR n
@conn m
@recv
@recv
@recv
@recv
@conn main
AUTH secret
@conn m
@recv
@conn main
CONFIG SET maxmemory 0
SELECT 0
nosuch a
GET
PING
@conn m
@recv
@recv
QUIT
@conn main
PING
@conn m2
MONITOR x
@conn m3
MONITOR
@conn main
ECHO after
@conn m3
@recv
RESET
PING
