# What the slow lane runs waits for what another lane runs on its key, and for longer than locks are tried.
@config --busy-reply-threshold 30000
@config --slow-lanes 3
EVAL "for i = 1, 3000000 do end local from = redis.call('time')[1] + tonumber(ARGV[1]) repeat until redis.call('time')[1] + 0 >= from return redis.call('incr', KEYS[1])" 1 k 0
@conn a
@send EVAL "for i = 1, 3000000 do end local from = redis.call('time')[1] + tonumber(ARGV[1]) repeat until redis.call('time')[1] + 0 >= from return redis.call('incr', KEYS[1])" 1 k 4
@conn b
MULTI
EXISTS %{x*300000}
INCR k
@send EXEC
@conn c
MULTI
EXISTS %{x*300000}
INCR k
@send EXEC
@conn d
MULTI
EXISTS %{x*300000}
INCR k
@send EXEC
@conn e
MULTI
EXISTS %{x*300000}
INCR k
@send EXEC
@conn f
MULTI
EXISTS %{x*300000}
INCR k
@send EXEC
@conn a
@type
@recv
@conn b
@type
@recv
@conn c
@type
@recv
@conn d
@type
@recv
@conn e
@type
@recv
@conn f
@type
@recv
GET k
