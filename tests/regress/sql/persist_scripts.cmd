@config --enable-debug-command yes --appendonly yes
# Scripts are in no file, and what flushes them in no log
SET a 1
EVAL "return redis.call('incr', KEYS[1])" 1 a
SCRIPT LOAD "return 2"
SCRIPT FLUSH
SET b 2
SCRIPT LOAD "return 3"
SCRIPT FLUSH ASYNC
SCRIPT LOAD "return 4"
MULTI
SCRIPT FLUSH SYNC
SET c 3
EXEC
DEBUG LOADAOF
MGET a b c
SCRIPT EXISTS 7f923f79fe76194c868d7e1d0820de36700eb649
