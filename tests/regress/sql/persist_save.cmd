# SAVE BGSAVE LASTSAVE, the save points and INFO persistence
@type
LASTSAVE
LASTSAVE x
SAVE
SAVE x
SET a 1
SET b 2
SET a 3
@match rdb_changes_since_last_save:3\r\n
INFO persistence
SAVE
@match rdb_changes_since_last_save:0\r\n
INFO persistence
@match rdb_saves:2\r\n
INFO persistence
DEL a nosuch
GET b
@match rdb_changes_since_last_save:1\r\n
INFO persistence
EXPIRE b 100
PERSIST b
PERSIST b
@match rdb_changes_since_last_save:3\r\n
INFO persistence
# in the background
BGSAVE x
BGSAVE SCHEDULE x
CONFIG SET rdb-key-save-delay 20000000
BGSAVE
@match rdb_bgsave_in_progress:1\r\n
INFO persistence
@match rdb_current_bgsave_time_sec:\d+\r\n
INFO persistence
BGSAVE
BGSAVE SCHEDULE
SAVE
SET c 1
CONFIG SET rdb-key-save-delay 0
@match rdb_last_bgsave_status:ok\r\n
INFO persistence
@until +OK
SAVE
@match rdb_bgsave_in_progress:0\r\n
INFO persistence
@match rdb_current_bgsave_time_sec:-1\r\n
INFO persistence
@match rdb_saves:4\r\n
INFO persistence
SET c 2
BGSAVE schedule
@until +OK
SAVE
@match rdb_changes_since_last_save:0\r\n
INFO persistence
# the last save point counts the seconds since a save, so that nothing is due at once
CONFIG SET save "1000 1"
CONFIG GET save
SET d 1
@sleep 200
@match rdb_changes_since_last_save:1\r\n
INFO persistence
CONFIG SET save ""
CONFIG RESETSTAT
@match rdb_changes_since_last_save:1\r\n
INFO persistence
# without a log
@match aof_enabled:0\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:-1\r\naof_current_rewrite_time_sec:-1\r\naof_last_bgrewrite_status:ok\r\n
INFO persistence
@match ^# Persistence\r\nloading:0\r\nasync_loading:0\r\ncurrent_cow_peak:\d+\r\ncurrent_cow_size:\d+\r\ncurrent_cow_size_age:\d+\r\ncurrent_fork_perc:0.00\r\ncurrent_save_keys_processed:0\r\ncurrent_save_keys_total:0\r\n
INFO persistence
SHUTDOWN ABORT
SHUTDOWN SAVE NOSAVE
SHUTDOWN nonsense
SHUTDOWN SAVE ABORT
