# COMMAND without texts
@type
COMMAND
@type
COMMAND COUNT
COMMAND COUNT x
COMMAND BOGUS
@type
COMMAND HELP
COMMAND INFO nosuch
COMMAND INFO nosuch nosuch2
COMMAND INFO ""
@pick 0.0-6
COMMAND INFO get
@pick 0.0-6
COMMAND INFO GET
@pick 0.0-6
COMMAND INFO set
@pick 0.0-6
COMMAND INFO client|id
@pick 0.0-6
COMMAND INFO config|get
COMMAND INFO client|nosuch
COMMAND INFO get|x
@pick 0.0-6
COMMAND INFO append
@pick 0.0-6
COMMAND INFO decr
@pick 0.0-6
COMMAND INFO decrby
@pick 0.0-6
COMMAND INFO getdel
@pick 0.0-6
COMMAND INFO getex
@pick 0.0-6
COMMAND INFO getrange
@pick 0.0-6
COMMAND INFO getset
@pick 0.0-6
COMMAND INFO incr
@pick 0.0-6
COMMAND INFO incrby
@pick 0.0-6
COMMAND INFO incrbyfloat
@pick 0.0-6
COMMAND INFO lcs
@pick 0.0-6
COMMAND INFO mget
@pick 0.0-6
COMMAND INFO mset
@pick 0.0-6
COMMAND INFO msetnx
@pick 0.0-6
COMMAND INFO psetex
@pick 0.0-6
COMMAND INFO setex
@pick 0.0-6
COMMAND INFO setnx
@pick 0.0-6
COMMAND INFO setrange
@pick 0.0-6
COMMAND INFO strlen
@pick 0.0-6
COMMAND INFO substr
@pick 0.0-6
COMMAND INFO copy
@pick 0.0-6
COMMAND INFO del
@pick 0.0-6
COMMAND INFO exists
@pick 0.0-6
COMMAND INFO expire
@pick 0.0-6
COMMAND INFO expireat
@pick 0.0-6
COMMAND INFO expiretime
@pick 0.0-6
COMMAND INFO keys
@pick 0.0-6
COMMAND INFO move
@pick 0.0-6
COMMAND INFO object
@pick 0.0-6
COMMAND INFO persist
@pick 0.0-6
COMMAND INFO pexpire
@pick 0.0-6
COMMAND INFO pexpireat
@pick 0.0-6
COMMAND INFO pexpiretime
@pick 0.0-6
COMMAND INFO pttl
@pick 0.0-6
COMMAND INFO randomkey
@pick 0.0-6
COMMAND INFO rename
@pick 0.0-6
COMMAND INFO renamenx
@pick 0.0-6
COMMAND INFO scan
@pick 0.0-6
COMMAND INFO touch
@pick 0.0-6
COMMAND INFO ttl
@pick 0.0-6
COMMAND INFO type
@pick 0.0-6
COMMAND INFO unlink
@pick 0.0-6
COMMAND INFO auth
@pick 0.0-6
COMMAND INFO client
@pick 0.0-6
COMMAND INFO echo
@pick 0.0-6
COMMAND INFO hello
@pick 0.0-6
COMMAND INFO ping
@pick 0.0-6
COMMAND INFO quit
@pick 0.0-6
COMMAND INFO reset
@pick 0.0-6
COMMAND INFO select
@pick 0.0-6
COMMAND INFO command
@pick 0.0-6
COMMAND INFO config
@pick 0.0-6
COMMAND INFO dbsize
@pick 0.0-6
COMMAND INFO debug
@pick 0.0-6
COMMAND INFO flushall
@pick 0.0-6
COMMAND INFO flushdb
@pick 0.0-6
COMMAND INFO info
@pick 0.0-6
COMMAND INFO latency
@pick 0.0-6
COMMAND INFO lolwut
@pick 0.0-6
COMMAND INFO memory
@pick 0.0-6
COMMAND INFO monitor
@pick 0.0-6
COMMAND INFO shutdown
@pick 0.0-6
COMMAND INFO slowlog
@pick 0.0-6
COMMAND INFO swapdb
@pick 0.0-6
COMMAND INFO time
@pick 0.0-6
COMMAND INFO 'object|encoding'
@pick 0.0-6
COMMAND INFO 'object|freq'
@pick 0.0-6
COMMAND INFO 'object|help'
@pick 0.0-6
COMMAND INFO 'object|idletime'
@pick 0.0-6
COMMAND INFO 'object|refcount'
@pick 0.0-6
COMMAND INFO 'client|getname'
@pick 0.0-6
COMMAND INFO 'client|help'
@pick 0.0-6
COMMAND INFO 'client|info'
@pick 0.0-6
COMMAND INFO 'client|kill'
@pick 0.0-6
COMMAND INFO 'client|list'
@pick 0.0-6
COMMAND INFO 'client|no-evict'
@pick 0.0-6
COMMAND INFO 'client|pause'
@pick 0.0-6
COMMAND INFO 'client|reply'
@pick 0.0-6
COMMAND INFO 'client|setname'
@pick 0.0-6
COMMAND INFO 'client|unblock'
@pick 0.0-6
COMMAND INFO 'client|unpause'
@pick 0.0-6
COMMAND INFO 'command|count'
@pick 0.0-6
COMMAND INFO 'command|docs'
@pick 0.0-6
COMMAND INFO 'command|getkeys'
@pick 0.0-6
COMMAND INFO 'command|getkeysandflags'
@pick 0.0-6
COMMAND INFO 'command|help'
@pick 0.0-6
COMMAND INFO 'command|info'
@pick 0.0-6
COMMAND INFO 'command|list'
@pick 0.0-6
COMMAND INFO 'config|help'
@pick 0.0-6
COMMAND INFO 'config|resetstat'
@pick 0.0-6
COMMAND INFO 'config|rewrite'
@pick 0.0-6
COMMAND INFO 'config|set'
@pick 0.0-6
COMMAND INFO 'latency|doctor'
@pick 0.0-6
COMMAND INFO 'latency|graph'
@pick 0.0-6
COMMAND INFO 'latency|help'
@pick 0.0-6
COMMAND INFO 'latency|histogram'
@pick 0.0-6
COMMAND INFO 'latency|history'
@pick 0.0-6
COMMAND INFO 'latency|latest'
@pick 0.0-6
COMMAND INFO 'latency|reset'
@pick 0.0-6
COMMAND INFO 'memory|doctor'
@pick 0.0-6
COMMAND INFO 'memory|help'
@pick 0.0-6
COMMAND INFO 'memory|malloc-stats'
@pick 0.0-6
COMMAND INFO 'memory|purge'
@pick 0.0-6
COMMAND INFO 'memory|stats'
@pick 0.0-6
COMMAND INFO 'memory|usage'
@pick 0.0-6
COMMAND INFO 'slowlog|get'
@pick 0.0-6
COMMAND INFO 'slowlog|help'
@pick 0.0-6
COMMAND INFO 'slowlog|len'
@pick 0.0-6
COMMAND INFO 'slowlog|reset'

# the key specifications, whose notes each server has in its own words
@sub /^( +2\) )".* .*"$/\1(a note)/
@pick 0.8
COMMAND INFO 'get'
@pick 0.8
COMMAND INFO 'set'
@pick 0.8
COMMAND INFO 'append'
@pick 0.8
COMMAND INFO 'getdel'
@pick 0.8
COMMAND INFO 'getex'
@pick 0.8
COMMAND INFO 'lcs'
@pick 0.8
COMMAND INFO 'mget'
@pick 0.8
COMMAND INFO 'mset'
@pick 0.8
COMMAND INFO 'msetnx'
@pick 0.8
COMMAND INFO 'copy'
@pick 0.8
COMMAND INFO 'del'
@pick 0.8
COMMAND INFO 'exists'
@pick 0.8
COMMAND INFO 'expire'
@pick 0.8
COMMAND INFO 'object'
@pick 0.8
COMMAND INFO 'object|encoding'
@pick 0.8
COMMAND INFO 'rename'
@pick 0.8
COMMAND INFO 'touch'
@pick 0.8
COMMAND INFO 'unlink'
@pick 0.8
COMMAND INFO 'type'
@pick 0.8
COMMAND INFO 'ttl'
@pick 0.8
COMMAND INFO 'memory|usage'
@pick 0.8
COMMAND INFO 'incr'
@pick 0.8
COMMAND INFO 'getset'
@pick 0.8
COMMAND INFO 'move'
@pick 0.8
COMMAND INFO 'scan'

# in RESP3 flags and categories are sets
@resp 3
@pick 0.0-6
COMMAND INFO get
@pick 0.8
COMMAND INFO get
COMMAND INFO nosuch
@type
COMMAND
