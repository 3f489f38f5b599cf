# DEBUG, as far as tests and tools use it
DEBUG SLEEP 0
DEBUG SLEEP 0.01
DEBUG SLEEP
DEBUG SET-ACTIVE-EXPIRE 0
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG ERROR "ERR my own"
DEBUG ERROR "CODE other text"
DEBUG ERROR nocode
DEBUG ERROR
DEBUG LOG "a line for the log"
DEBUG OBJECT nosuch
DEBUG OBJECT
SET k v
@match ^Value at:\S+ refcount:1 encoding:embstr serializedlength:2 lru:\d+ lru_seconds_idle:\d+$
DEBUG OBJECT k
SET n 12
@match encoding:int serializedlength:2 
DEBUG OBJECT n
DEBUG POPULATE 10
DBSIZE
GET key:3
DEBUG POPULATE 2 pre
GET pre:1
DEBUG POPULATE 2 siz 20
GET siz:1
DEBUG POPULATE 2 siz 5
GET siz:0
DEBUG POPULATE abc
DEBUG POPULATE -1
DEBUG POPULATE
DEBUG STRINGMATCH-LEN
DEBUG BOGUS
DEBUG BOGUS a b
DEBUG
@type
DEBUG HELP
debug sleep 0
DEBUG JMAP x y z
