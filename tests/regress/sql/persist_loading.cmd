# what may not be changed while keys are loaded
@config --loading-process-events-interval-bytes 1024
@config --enable-protected-configs yes
DEBUG POPULATE 3000 key 50
CONFIG SET key-load-delay 5000
@send DEBUG RELOAD
@conn other
@until -LOADING Redis is loading the dataset in memory
GET key:1
CONFIG SET appendonly no
CONFIG SET appendonly yes
CONFIG SET appendonly maybe
CONFIG SET maxmemory 0 appendonly yes
CONFIG SET dir /
CONFIG SET dir / maxmemory x
CONFIG SET nosuch 1 appendonly yes
CONFIG SET maxmemory x
CONFIG SET maxmemory 0
CONFIG SET save "3600 1"
CONFIG GET key-load-delay
CONFIG SET key-load-delay 0
@conn main
@recv
CONFIG SET appendonly no
GET key:1
DBSIZE
