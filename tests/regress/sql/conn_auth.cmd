# AUTH without a password set; then requirepass at run time
AUTH
AUTH pw
AUTH default pw
AUTH default ""
AUTH nosuch pw
AUTH a b c
CONFIG SET requirepass secret
PING
CONFIG GET requirepass
@conn new
PING
SET k v
GET
nosuchcommand
HELLO
HELLO 3
HELLO 3 SETNAME x
HELLO 2 AUTH default wrong
HELLO 2 AUTH nosuch secret
RESET
ECHO x
CLIENT ID
COMMAND COUNT
AUTH wrong
AUTH default wrong
AUTH nosuch secret
AUTH ""
AUTH
AUTH secret extra more
AUTH secret
PING
AUTH wrong
PING
AUTH default secret
PING
RESET
PING
@conn third
@pick 4-5
HELLO 2 AUTH default secret
PING
@conn fourth
@pick 4-5
HELLO 2 AUTH default secret SETNAME four
CLIENT GETNAME
@conn fifth
QUIT
@conn sixth
@raw-silent "*10\r\n"
@raw-until-close "PING\r\n"
@conn main
CONFIG SET requirepass ""
@conn seventh
PING
AUTH secret
