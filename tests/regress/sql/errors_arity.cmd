# Every command with too few and, where there is a limit, too many arguments
append x
append x x x
decr
decr x x
decrby x
decrby x x x
getdel
getdel x x
getex
getrange x x
getrange x x x x
getset x
getset x x x
incr
incr x x
incrby x
incrby x x x
incrbyfloat x
incrbyfloat x x x
lcs x
mget
mset x
msetnx x
psetex x x
psetex x x x x
set x
setex x x
setex x x x x
setnx x
setnx x x x
setrange x x
setrange x x x x
strlen
strlen x x
substr x x
substr x x x x
copy x
del
exists
expire x
expireat x
expiretime
expiretime x x
keys
keys x x
move x
move x x x
object
object idletime
object idletime x x
object help x
object freq
object freq x x
object encoding
object encoding x x
object refcount
object refcount x x
persist
persist x x
pexpire x
pexpireat x
pexpiretime
pexpiretime x x
pttl
pttl x x
randomkey x
rename x
rename x x x
renamenx x
renamenx x x x
scan
touch
ttl
ttl x x
type
type x x
unlink
auth
client
client reply
client reply x x
client unblock
client help x
client no-evict
client no-evict x x
client setname
client setname x x
client getname x
client id x
client info x
client kill
client unpause x
client pause
echo
echo x x
reset x
select
select x x
command count x
command getkeys x
command help x
command getkeysandflags x
config
config rewrite x
config help x
config get
config resetstat x
config set x
dbsize x
debug
latency
latency doctor x
latency latest x
latency help x
latency history
latency history x x
latency graph
latency graph x x
memory
memory help x
memory doctor x
memory malloc-stats x
memory stats x
memory usage
memory purge x
monitor x
slowlog
slowlog reset x
slowlog len x
slowlog help x
swapdb x
swapdb x x x
time x
