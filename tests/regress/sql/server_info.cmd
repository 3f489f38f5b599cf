# INFO: its sections and the names that tools look for
@until
@match ^connected_clients:1\r
INFO clients
@match ^# Server\r\n
INFO server
@match ^# Clients\r\n
INFO clients
@match \r\nredis_version:7\.\d+\.\d+\r\n
INFO SERVER
@match redis_mode:standalone\r\n
INFO server
@match process_id:\d+\r\n
INFO server
@match tcp_port:\d+\r\n
INFO server
@match uptime_in_seconds:\d+\r\n
INFO server
@match ^# Memory\r\nused_memory:\d+\r\nused_memory_human:[0-9.]+[BKMG]\r\nused_memory_rss:\d+\r\n
INFO memory
@match maxmemory:0\r\nmaxmemory_human:0B\r\nmaxmemory_policy:noeviction\r\n
INFO memory
@match connected_clients:1\r\n
INFO clients
@match ^# Stats\r\ntotal_connections_received:\d+\r\ntotal_commands_processed:\d+\r\ninstantaneous_ops_per_sec:\d+\r\n
INFO stats
@match ^# Persistence\r\nloading:0\r\n
INFO persistence
@match ^# Replication\r\nrole:master\r\nconnected_slaves:0\r\n
INFO replication
@match ^# CPU\r\nused_cpu_sys:[0-9.]+\r\nused_cpu_user:[0-9.]+\r\n
INFO cpu
INFO keyspace
SET a 1
SET b 2 EX 1000
SELECT 4
SET c 1
@match ^# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=\d+\r\ndb4:keys=1,expires=0,avg_ttl=0\r\n$
INFO keyspace
INFO nosuch
@match ^# Server.*# Clients.*# Memory.*# Persistence.*# Stats.*# Replication.*# CPU.*# Keyspace
INFO
@match # Commandstats
INFO all
@match # Commandstats
INFO everything
@match # Keyspace
INFO default
@match ^# Server.*# Clients
INFO server clients
@match ^# Server.*# Clients
INFO clients server
CONFIG RESETSTAT
GET a
GET a
GET nosuch
NOSUCH
INCR
SELECT 0
SET str abc
INCR str
@match cmdstat_get:calls=3,usec=\d+,usec_per_call=[0-9.]+,rejected_calls=0,failed_calls=0\r\n
INFO commandstats
GET a
@match cmdstat_incr:calls=1,usec=\d+,usec_per_call=[0-9.]+,rejected_calls=1,failed_calls=1\r\n
INFO commandstats
@match errorstat_ERR:count=3\r\n
INFO errorstats
@match keyspace_hits:1\r\nkeyspace_misses:3\r\n
INFO stats
@match latency_percentiles_usec_get:p50=
INFO latencystats
