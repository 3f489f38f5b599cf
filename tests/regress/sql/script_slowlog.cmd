# SLOWLOG, LATENCY and the histograms see the commands of a script one by one, before the script itself; their client is none
@sub /(\d\)) :\d+$/\1 :N/
@sub /127.0.0.1:\d+/127.0.0.1:N/
CLIENT SETNAME caller
CONFIG SET slowlog-log-slower-than 0
SLOWLOG RESET
EVAL "redis.call('set', KEYS[1], ARGV[1]) redis.pcall('incr', KEYS[1], 'b') redis.pcall('lpush', KEYS[1], 1) redis.pcall('nosuch') redis.call('select', 3) redis.call('ping') return 1" 1 k v
@type
SLOWLOG GET
SLOWLOG GET
# What had to be cut, an error, and one that reads only
SLOWLOG RESET
EVAL "redis.call('set', 'k', string.rep('y', 200)) redis.call('sadd', 's', unpack(ARGV)) return redis.call('lpush', 'k', 1)" 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35
EVAL_RO "return redis.call('strlen', 'k')" 0
SLOWLOG GET
# As a step of EXEC each script's commands stand before it
SLOWLOG RESET
MULTI
SET a 1
EVAL "redis.call('get', 'a') return redis.call('incr', 'a')" 0
CONFIG GET port
EVAL "return redis.call('decr', 'a')" 0
GET a
@ignore
EXEC
SLOWLOG GET 20
# Functions
@type
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('get', keys[1]) end)"
SLOWLOG RESET
FCALL f 1 a
SLOWLOG GET
# What a long one did before it went elsewhere is told once
SLOWLOG RESET
EVAL "redis.call('get', 'a') for i = 1, 3000000 do end redis.call('incr', 'a') return redis.call('keys', 'nosuch')" 0
SLOWLOG GET
# More than the log can hold: the last ones are there
SLOWLOG RESET
EVAL "for i = 1, 20000 do redis.call('set', 'i', i) end return redis.call('get', 'i')" 0
SLOWLOG GET 2
SLOWLOG LEN
# One that is slow in a script that is slow
CONFIG SET slowlog-log-slower-than 1000
EVAL "for i = 1, 60 do local v = {} for j = 1, 5000 do v[j] = j end redis.call('rpush', 'l', unpack(v)) end return redis.call('llen', 'l')" 0
CONFIG RESETSTAT
LATENCY RESET
CONFIG SET latency-monitor-threshold 1
SLOWLOG RESET
EVAL "redis.call('get', 'a') redis.call('get', 'a') return #redis.call('lpop', 'l', 300000)" 0
CONFIG SET latency-monitor-threshold 0 slowlog-log-slower-than -1
@match "fast-command"
LATENCY LATEST
@match "lpop"
SLOWLOG GET
@pick 1.1
LATENCY HISTOGRAM get
@pick 1.1
LATENCY HISTOGRAM lpop
@pick 1.1
LATENCY HISTOGRAM eval
CONFIG RESETSTAT
CONFIG SET latency-tracking no
EVAL "return redis.call('get', 'a')" 0
LATENCY HISTOGRAM get
