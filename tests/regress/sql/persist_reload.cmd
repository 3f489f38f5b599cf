# DEBUG RELOAD: the keys as they are, and as they were saved
SET str abc
SET num 12345
SET big %{xyz*30000}
SET ttl v EX 1000
SELECT 3
SET other v
SELECT 0
DEBUG RELOAD nonsense
DEBUG RELOAD
GET str
GET num
OBJECT ENCODING num
STRLEN big
@about 1000
TTL ttl
DBSIZE
SELECT 3
GET other
SELECT 0
SET str changed
SET new 1
DEBUG RELOAD NOSAVE
GET str
EXISTS new
SET new 1
DEBUG RELOAD MERGE NOFLUSH
GET new
GET str
@match rdb_changes_since_last_save:0\r\n
INFO persistence
@match ^# Persistence\r\nloading:0\r\n
INFO persistence
# what has expired meanwhile is not loaded
DEBUG SET-ACTIVE-EXPIRE 0
SET short v PX 1
SAVE
@sleep 20
DEBUG RELOAD NOSAVE
DEBUG SET-ACTIVE-EXPIRE 1
EXISTS short
@match rdb_last_load_keys_expired:1\r\n
INFO persistence
@match rdb_last_load_keys_loaded:6\r\n
INFO persistence
DEBUG RELOAD NOFLUSH MERGE NOSAVE
GET str
FLUSHALL
DEBUG RELOAD
DBSIZE
