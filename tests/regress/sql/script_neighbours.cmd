# What takes long holds its own keys and nobody else's: not those that share their buckets, and no new ones.
@redis 7.2
@config --busy-reply-threshold 50
EVAL "for i = 1, 40 do redis.call('set', 'n:' .. i, i) end" 0

# a script that would write holds its key alone
@conn long
@send EVAL "redis.call('get', KEYS[1]) while true do end" 1 n:1
@conn main
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
GET n:1
SET n:1 x
MGET n:2 n:3 n:4 n:5 n:6 n:7 n:8 n:9 n:10 n:11 n:12 n:13 n:14 n:15 n:16 n:17 n:18 n:19 n:20
INCR n:21
INCR n:22
INCR n:23
INCR n:24
INCR n:25
INCR n:26
INCR n:27
INCR n:28
DEL n:30 n:31 n:32 n:33 n:34 n:35 n:36 n:37 n:38 n:39 n:40
EVAL "for i = 50, 500 do redis.call('set', 'n:' .. i, i) end return redis.call('get', 'n:500')" 0
MGET n:2 n:21 n:500
SCRIPT KILL
@conn long
@recv
GET n:1

# one that only reads shares it with those that read
@send EVAL_RO "redis.call('get', KEYS[1]) while true do end" 1 n:1
@conn main
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
PERSIST n:1
SET n:1 x
GET n:1
TTL n:1
MGET n:1 n:2
EVAL_RO "return redis.call('get', KEYS[1])" 1 n:1
DEL n:1
SCRIPT KILL
@conn long
@recv
SET n:1 written

# keys that a script has not declared
@send EVAL "redis.call('get', 'n:3') redis.call('get', 'n:4') while true do end" 1 n:2
@conn main
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
GET n:4
GET n:2
GET n:3
MGET n:1 n:5 n:6 n:7 n:8 n:9 n:10 n:11 n:12 n:13 n:14 n:15
MSET n:5 five n:6 six fresh:1 1 fresh:2 2 fresh:3 3 fresh:4 4 fresh:5 5 fresh:6 6
SCRIPT KILL
@conn long
@recv

# a transaction that lasts: the keys of all its commands
MULTI
INCR n:21
EVAL "while true do end" 0
SET n:22 x
@send EXEC
@conn main
@until -BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
GET n:21
GET n:22
MGET n:1 n:2 n:3 n:4 n:5 n:6 n:7 n:8 n:9 n:10 n:11 n:12 n:13
EVAL "return redis.call('mget', 'n:23', 'n:24')" 0
@type
SCRIPT KILL
@conn long
@type
@recv
MGET n:21 n:22
@type
DBSIZE
