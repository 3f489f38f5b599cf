# maxclients
@config --maxclients 3
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
CONFIG SET maxclients 10
@conn d2
PING
