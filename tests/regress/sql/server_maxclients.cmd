# maxclients
@config --maxclients 3
@until
@match ^connected_clients:1\r
INFO clients
@conn a
PING
@conn b
PING
@conn main
PING
@conn d
@expect-close
@conn b
@close
@conn main
@until
@match ^connected_clients:2\r
INFO clients
CONFIG SET maxclients 10
@conn d2
PING
