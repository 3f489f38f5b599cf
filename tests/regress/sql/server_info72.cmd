# INFO of Redis 7.2: who waits for how many keys, what is freed later, how the loop turns
@redis 7.2
@match ^# Server\r\nredis_version:.*\r\nexecutable:/[^\r]*/skep\r\nconfig_file:\r
INFO server
@match \r\nblocked_clients:0\r\n.*\r\nclients_in_timeout_table:0\r\ntotal_blocking_keys:0\r\ntotal_blocking_keys_on_nokey:0\r\n$
INFO clients
@conn a
@send BLPOP x y 0
@conn main
@until
@match \r\nblocked_clients:1\r\n.*\r\nclients_in_timeout_table:0\r\ntotal_blocking_keys:2\r\n
INFO clients
@conn b
@send BLPOP y x 500
@conn c
@send BZPOPMIN z z 0
@conn d
@send BRPOP x 500
@conn main
@until
@match \r\nblocked_clients:4\r\n.*\r\nclients_in_timeout_table:2\r\ntotal_blocking_keys:3\r\n
INFO clients
# the queue of a key is there until the last has left it
LPUSH x 1
@conn a
@recv
@conn main
@match \r\nblocked_clients:3\r\n.*\r\nclients_in_timeout_table:2\r\ntotal_blocking_keys:3\r\n
INFO clients
ZADD z 1 a
LPUSH y 2
@conn b
@recv
@conn c
@recv
@conn main
@match \r\nblocked_clients:1\r\n.*\r\nclients_in_timeout_table:1\r\ntotal_blocking_keys:1\r\n
INFO clients
# the same key of another database is another key
@conn e
SELECT 1
@send BLPOP x 0
@conn main
@until
@match \r\nblocked_clients:2\r\n.*\r\nclients_in_timeout_table:1\r\ntotal_blocking_keys:2\r\n
INFO clients
LPUSH x 3
SELECT 1
LPUSH x 4
SELECT 0
@until
@match \r\nblocked_clients:0\r\n.*\r\nclients_in_timeout_table:0\r\ntotal_blocking_keys:0\r\n
INFO clients
# freed later
CONFIG RESETSTAT
@match \r\nlazyfree_pending_objects:0\r\nlazyfreed_objects:0\r\n
INFO memory
DEBUG POPULATE 3000
FLUSHALL ASYNC
@until
@match \r\nlazyfree_pending_objects:0\r\nlazyfreed_objects:3000\r\n
INFO memory
EVAL "for i = 1, 3000 do redis.call('SADD', 'big', 'member:' .. i) end" 0
UNLINK big
@until
@match \r\nlazyfree_pending_objects:0\r\nlazyfreed_objects:3001\r\n
INFO memory
CONFIG RESETSTAT
@match \r\nlazyfreed_objects:0\r\n
INFO memory
# turns of the loop
@match \r\neventloop_cycles:[1-9]\d*\r\neventloop_duration_sum:[1-9]\d*\r\neventloop_duration_cmd_sum:\d+\r\ninstantaneous_eventloop_cycles_per_sec:\d+\r\ninstantaneous_eventloop_duration_usec:\d+\r\nacl_access_denied_auth:0\r\nacl_access_denied_cmd:0\r\nacl_access_denied_key:0\r\nacl_access_denied_channel:0\r\n
INFO stats
