# figures of INFO that follow what happens
FLUSHALL
# FLUSHALL SYNC answers when the memory is free
DEBUG POPULATE 200000 x 60
FLUSHALL SYNC
@match ^used_memory:\d{1,7}\r
INFO memory
DEBUG POPULATE 200000 x 60
FLUSHDB
@match ^used_memory:\d{1,7}\r
INFO memory
FLUSHALL nonsense
FLUSHALL SYNC ASYNC
# more than maxmemory, and nothing may go
DEBUG POPULATE 1000 x 60
@match ^current_eviction_exceeded_time:0\r
INFO stats
CONFIG SET maxmemory-policy noeviction maxmemory 1000
@until
@match ^total_eviction_exceeded_time:[1-9]\d*\r\ncurrent_eviction_exceeded_time:[1-9]
INFO stats
CONFIG SET maxmemory 1gb
SET k v
@match ^total_eviction_exceeded_time:[1-9]\d*\r\ncurrent_eviction_exceeded_time:0\r
INFO stats
