@redis 7.2
# Events that a subscriber causes itself stand before or behind the reply, as in Redis, but never within it: redis-server 7.0
# breaks the protocol there, 7.2 sends them behind.
CONFIG SET notify-keyspace-events EA
@conn s
@resp 3
@send PSUBSCRIBE __keyevent*
PING
ZADD z 1 a 2 b
@raw "ZPOPMIN z\r\n"
@raw "MULTI\r\nSET k v\r\nRPUSH l 1\r\nPUBLISH __keyevent x\r\nEXEC\r\n"
@raw "CLIENT REPLY SKIP\r\nRPUSH l 2\r\nCLIENT REPLY SKIP\r\nSET k w\r\nPING\r\n"
@raw "CLIENT REPLY OFF\r\nRPUSH l 2\r\nSET k w\r\nCLIENT REPLY ON\r\n"
