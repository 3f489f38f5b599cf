# What a try counted that came to nothing, since the script went on to the slow lane, is not counted twice. The commands
# of scripts are commands.
set k 1
config resetstat
eval "for i = 1, 20000 do redis.call('get', 'k') redis.call('get', 'none') end for i = 1, 1000000 do end return 1" 0
eval "local s = redis.call('info', 'stats') return {s:match('keyspace_hits:%d+'), s:match('keyspace_misses:%d+'), tonumber(s:match('total_commands_processed:(%d+)')) > 40000}" 0
