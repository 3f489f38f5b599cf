# maxclients
@config --maxclients 3
@sleep 100
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
@sleep 200
@conn main
CONFIG SET maxclients 10
@conn d2
PING
