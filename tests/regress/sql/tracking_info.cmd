# What INFO tells, and the limit of keys.
@match tracking_clients:0
INFO clients
@match tracking_total_keys:0\r\ntracking_total_items:0\r\ntracking_total_prefixes:0
INFO stats
@conn c
@resp 3
CLIENT TRACKING ON
MGET a b d
@match tracking_clients:1
INFO clients
@match tracking_total_keys:3\r\ntracking_total_items:3\r\ntracking_total_prefixes:0
INFO stats
@conn main
SET a 1
# its worker has forgotten the key when the client is told
@conn c
PING
@conn main
@match tracking_total_keys:2\r\ntracking_total_items:2\r\ntracking_total_prefixes:0
INFO stats
@conn d
@resp 3
CLIENT TRACKING ON BCAST PREFIX a PREFIX b
@conn e
@resp 3
CLIENT TRACKING ON BCAST PREFIX a PREFIX z
@match tracking_clients:3
INFO clients
@match tracking_total_prefixes:3
INFO stats
CLIENT TRACKING OFF
@match tracking_clients:2
INFO clients
@match tracking_total_prefixes:2
INFO stats
@conn d
RESET
@match tracking_clients:1
INFO clients
@match tracking_total_prefixes:0
INFO stats
@conn c
PING
@sub /1\) "[a-z0-9]"/1) "key"/
CONFIG SET tracking-table-max-keys 1
PING
@match tracking_total_keys:1\r\ntracking_total_items:1
INFO stats
MGET 1 2 3 4 5 6 7 8 9
PING
@match tracking_total_keys:1\r\ntracking_total_items:1
INFO stats
CONFIG SET tracking-table-max-keys 0
MGET 1 2 3 4 5 6 7 8 9
FLUSHALL
PING
@match tracking_total_keys:0\r\ntracking_total_items:0
INFO stats
