# list-compress-depth: what lies deep in a list is compressed, and no reply tells. (The servers' nodes have different sizes: what
# DEBUG OBJECT says of their number is not compared.)
@config --list-compress-depth 1
@config --enable-debug-command yes

CONFIG GET list-compress-depth
EVAL "for i = 1, 3000 do redis.call('rpush', KEYS[1], 'element:' .. i) end return redis.call('llen', KEYS[1])" 1 l
EVAL "for i = 1, 3000 do redis.call('lpush', KEYS[1], 'element:' .. i) end return redis.call('llen', KEYS[1])" 1 l
@match ql_compressed:1
DEBUG OBJECT l
DEBUG DIGEST-VALUE l
OBJECT ENCODING l

# Looking
LINDEX l 0
LINDEX l 2999
LINDEX l 3000
LINDEX l -1500
LRANGE l 1495 1505
LRANGE l -3 -1
LPOS l element:77
LPOS l element:77 RANK -1
LPOS l element:2500 COUNT 0
LPOS l element:2500 RANK -2 MAXLEN 4000
SORT l ALPHA LIMIT 100 3 DESC

# Changing in the middle
LSET l 1500 here
LSET l 4500 %{x*900}
LSET l 4501 %{y*3000}
LINSERT l BEFORE here before
LINSERT l AFTER here %{z*5000}
LRANGE l 1498 1504
LREM l 1 element:2000
LREM l -1 element:2000
LREM l 0 element:1234
DEBUG DIGEST-VALUE l
COPY l copied
@save dumped
DUMP l
RESTORE restored 0 %{dumped}
DEBUG DIGEST-VALUE l copied restored
EVAL "for i = 1, 40 do redis.call('lset', KEYS[1], 100 * i, 'same') end" 1 copied
LREM copied 0 same
LLEN copied
DEBUG DIGEST-VALUE copied
LTRIM copied 700 -900
LLEN copied
DEBUG DIGEST-VALUE copied
SORT l ALPHA STORE sorted
DEBUG DIGEST-VALUE sorted

# At the ends, until what was compressed stands there
LMOVE l m LEFT RIGHT
@type
LPOP l 2000
DEBUG DIGEST-VALUE l
@type
RPOP l 1700
LLEN l
LRANGE l 0 2
LRANGE l -3 -1
LPUSH l first
RPUSH l last
LPOP l
RPOP l
LPOP l
RPOP l
EVAL "for i = 1, 2000 do redis.call('rpoplpush', KEYS[1], KEYS[1]) end return redis.call('lindex', KEYS[1], 0)" 1 l
DEBUG DIGEST-VALUE l

# Another depth holds for what is changed from then on
CONFIG SET list-compress-depth 0
EVAL "for i = 1, 3000 do redis.call('rpush', KEYS[1], 'plain:' .. i) end return redis.call('llen', KEYS[1])" 1 l
EVAL "for i = 1, 3000 do redis.call('rpush', KEYS[1], 'plain:' .. i) end return redis.call('llen', KEYS[1])" 1 p
@match ql_compressed:0
DEBUG OBJECT p
LSET l 100 plain
LREM l 1 element:100
LRANGE l 98 102
DEBUG DIGEST-VALUE l
CONFIG SET list-compress-depth 3
EVAL "for i = 1, 3000 do redis.call('lpush', KEYS[1], 'deep:' .. i) end return redis.call('llen', KEYS[1])" 1 l
LSET l 4000 deep
LINDEX l 4000
DEBUG DIGEST-VALUE l
CONFIG SET list-compress-depth 2147483647
LPUSH l end
LSET l 3500 most
DEBUG DIGEST-VALUE l

# Read from disk, where no node is known
DEBUG RELOAD
DEBUG DIGEST-VALUE l m p copied restored sorted
CONFIG SET list-compress-depth 2
DEBUG RELOAD
DEBUG DIGEST-VALUE l m p copied restored sorted
LRANGE l 3499 3501
EVAL "local n = 0 while redis.call('rpop', KEYS[1]) do n = n + 1 end return n" 1 l
EXISTS l
DEL p restored
RENAME copied l
LLEN l
LPOP l

CONFIG SET list-compress-depth -1
CONFIG SET list-compress-depth 2147483648
CONFIG SET list-compress-depth many
CONFIG GET list-compress-depth
