# in a transaction a save, or a rewrite, is only scheduled
SET a 1
MULTI
BGSAVE
SET a 2
EXEC
@until +OK
SAVE
MULTI
BGREWRITEAOF
EXEC
@until +Background append only file rewriting started
BGREWRITEAOF
@until +OK
SAVE
@until "2"
GET a
@match rdb_last_bgsave_status:ok\r\n
INFO persistence
@match aof_last_bgrewrite_status:ok\r\n
INFO persistence
