# CONFIG GET and SET
CONFIG GET maxmemory
CONFIG SET maxmemory 100mb
CONFIG GET maxmemory
CONFIG SET maxmemory 1gb
CONFIG GET maxmemory
CONFIG SET maxmemory 1g
CONFIG GET maxmemory
CONFIG SET maxmemory 1kb
CONFIG SET maxmemory 1GB
CONFIG SET maxmemory 10x
CONFIG SET maxmemory -1
CONFIG SET maxmemory ""
CONFIG SET maxmemory abc
CONFIG SET maxmemory 50%
CONFIG SET MAXMEMORY 0
CONFIG GET MaxMemory
CONFIG GET nosuch
CONFIG GET
CONFIG SET
CONFIG SET maxmemory
CONFIG SET nosuch 1
CONFIG SET maxmemory 1 nosuch 2
CONFIG SET maxmemory 0 maxmemory 0
CONFIG GET maxmemory
CONFIG SET maxmemory-policy allkeys-lru
CONFIG GET maxmemory-policy
CONFIG SET maxmemory-policy bogus
CONFIG SET maxmemory-policy VOLATILE-TTL
CONFIG GET maxmemory-policy
CONFIG SET maxmemory-policy noeviction
CONFIG SET maxmemory-samples 0
CONFIG SET maxmemory-samples 65
CONFIG SET maxmemory-samples abc
CONFIG SET maxmemory-samples 10
CONFIG GET maxmemory-samples
CONFIG SET maxmemory-samples 5
@sort
CONFIG GET maxmemory-policy maxmemory-samples
@sort
CONFIG GET maxmemory-s* maxmemory-p*
@sort
CONFIG GET maxmemory-samples maxmemory-samples
CONFIG SET lazyfree-lazy-user-del yes lazyfree-lazy-user-flush no
@sort
CONFIG GET lazyfree-lazy-user-*
CONFIG SET lazyfree-lazy-user-del maybe
CONFIG SET lazyfree-lazy-user-del no
CONFIG SET lazyfree-lazy-user-del no port
CONFIG SET lazyfree-lazy-user-del yes maxmemory-samples 0
CONFIG GET lazyfree-lazy-user-del

# each with its default
CONFIG GET databases
@type
CONFIG GET maxclients
CONFIG GET timeout
CONFIG GET tcp-keepalive
CONFIG GET tcp-backlog
CONFIG GET proto-max-bulk-len
CONFIG GET client-query-buffer-limit
CONFIG GET client-output-buffer-limit
CONFIG GET maxmemory-clients
CONFIG GET maxmemory-eviction-tenacity
CONFIG GET lfu-log-factor
CONFIG GET lfu-decay-time
CONFIG GET slowlog-log-slower-than
CONFIG GET slowlog-max-len
CONFIG GET latency-monitor-threshold
CONFIG GET hz
CONFIG GET dynamic-hz
CONFIG GET loglevel
CONFIG GET protected-mode
CONFIG GET requirepass
CONFIG GET appendonly
CONFIG GET appendfsync
CONFIG GET save
CONFIG GET bind
CONFIG GET daemonize
CONFIG GET supervised
CONFIG GET unixsocket
CONFIG GET unixsocketperm
CONFIG GET active-expire-effort
CONFIG GET lazyfree-lazy-eviction
CONFIG GET lazyfree-lazy-expire
CONFIG GET lazyfree-lazy-server-del
CONFIG GET enable-debug-command
CONFIG GET enable-protected-configs
CONFIG GET tracking-table-max-keys

# numbers and words
CONFIG SET timeout 60
CONFIG GET timeout
CONFIG SET timeout -1
CONFIG SET timeout 1.5
CONFIG SET timeout 0
CONFIG SET tcp-keepalive 60
CONFIG SET tcp-keepalive -1
CONFIG SET tcp-keepalive 300
CONFIG SET loglevel verbose
CONFIG GET loglevel
CONFIG SET loglevel notice
CONFIG SET hz 0
CONFIG GET hz
CONFIG SET hz 1000
CONFIG GET hz
CONFIG SET hz 10
CONFIG SET slowlog-log-slower-than -1
CONFIG GET slowlog-log-slower-than
CONFIG SET slowlog-log-slower-than -2
CONFIG SET slowlog-log-slower-than 10000
CONFIG SET slowlog-max-len -1
CONFIG SET slowlog-max-len 64
CONFIG GET slowlog-max-len
CONFIG SET lfu-log-factor -1
CONFIG SET lfu-decay-time 2
CONFIG SET client-query-buffer-limit 10
CONFIG SET client-query-buffer-limit 2mb
CONFIG GET client-query-buffer-limit
CONFIG SET client-query-buffer-limit 1gb
CONFIG SET client-output-buffer-limit "normal 1mb 512kb 60"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "normal 1mb 512kb"
CONFIG SET client-output-buffer-limit "bogus 1mb 512kb 60"
CONFIG SET client-output-buffer-limit "normal x 512kb 60"
CONFIG SET client-output-buffer-limit "pubsub 64mb 16mb 90 normal 0 0 0"
CONFIG GET client-output-buffer-limit
CONFIG SET maxmemory-clients 50%
CONFIG GET maxmemory-clients
CONFIG SET maxmemory-clients 150%
CONFIG SET maxmemory-clients 0
CONFIG SET latency-monitor-threshold -1
CONFIG SET latency-monitor-threshold 100
CONFIG GET latency-monitor-threshold
CONFIG SET active-expire-effort 0
CONFIG SET active-expire-effort 11
CONFIG SET active-expire-effort 1
CONFIG SET maxclients 0

# fixed while running
CONFIG SET databases 5
CONFIG SET daemonize yes
CONFIG SET tcp-backlog 100
CONFIG SET unixsocket /tmp/x
CONFIG SET supervised systemd
CONFIG SET enable-debug-command no
CONFIG SET pidfile x
CONFIG SET timeout 7 databases 5
CONFIG GET timeout

# the rest
CONFIG RESETSTAT
CONFIG RESETSTAT x
@type
CONFIG HELP
CONFIG HELP x
CONFIG
CONFIG BOGUS
CONFIG REWRITE
CONFIG REWRITE x
@type
CONFIG GET *
@resp 3
@sort
CONFIG GET maxmemory-samples maxmemory-policy
CONFIG GET nosuch
