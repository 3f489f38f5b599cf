# appendonly at run time, BGREWRITEAOF, INFO's fields
CONFIG GET appendonly
SET a 1
CONFIG SET appendonly maybe
CONFIG SET appendonly yes nosuch 1
CONFIG GET appendonly
CONFIG SET appendonly yes
CONFIG GET appendonly
@until +Background append only file rewriting started
BGREWRITEAOF
@until +OK
SAVE
@match aof_enabled:1\r\naof_rewrite_in_progress:[01]\r\naof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:\d+\r\naof_current_rewrite_time_sec:-?\d+\r\naof_last_bgrewrite_status:ok\r\n
INFO persistence
SET b 2
@match aof_current_size:\d+\r\naof_base_size:\d+\r\naof_pending_rewrite:0\r\naof_buffer_length:\d+\r\naof_pending_bio_fsync:\d\r\naof_delayed_fsync:\d+\r\n
INFO persistence
BGREWRITEAOF x
@match aof_last_bgrewrite_status:ok\r\n
INFO persistence
CONFIG SET appendfsync always
SET c 3
CONFIG SET appendfsync sometimes
CONFIG SET appendfsync no
SET d 4
CONFIG SET appendfsync everysec
@until +Background saving started
BGSAVE
@until +OK
SAVE
# a snapshot under way
CONFIG SET rdb-key-save-delay 5000000
BGSAVE
BGREWRITEAOF
@match aof_rewrite_scheduled:1\r\n
INFO persistence
CONFIG SET rdb-key-save-delay 0
@until +Background append only file rewriting started
BGREWRITEAOF
@match aof_last_bgrewrite_status:ok\r\n
INFO persistence
@until +Background saving started
BGSAVE
@until +OK
SAVE
CONFIG SET rdb-key-save-delay 5000000
BGREWRITEAOF
BGREWRITEAOF
@match aof_rewrite_in_progress:1\r\n
INFO persistence
BGSAVE
BGSAVE SCHEDULE
@match rdb_bgsave_in_progress:0\r\n
INFO persistence
CONFIG SET rdb-key-save-delay 0
@until +Background saving started
BGSAVE
@until +OK
SAVE
@match rdb_last_bgsave_status:ok\r\n
INFO persistence
@match rdb_changes_since_last_save:0\r\n
INFO persistence
CONFIG SET appendonly yes
CONFIG SET appendonly no
CONFIG SET appendonly no
@match aof_enabled:0\r\n
INFO persistence
GET a
GET d
CONFIG SET appendonly yes appendfsync always
SET e 5
CONFIG SET appendonly no
GET e
