# Clients that a pause holds up count as blocked
@sub /^.*name=(\w*) .*flags=(\w+) db=(\d+) .*cmd=(\S+) .*$/\1 \2 \3 \4/
@conn a
CLIENT SETNAME a
SELECT 2
@conn b
CLIENT SETNAME b
GET k
@conn c
CLIENT SETNAME c
MULTI
@conn main
CLIENT SETNAME asks
CLIENT PAUSE 60000 WRITE
@conn a
@send SET k v
@conn b
@send BLPOP l 0
@conn c
@send SET x 1
@conn main
@match blocked_clients:3\r
@until
INFO clients
CLIENT INFO
@match name=a .* flags=b db=2 .* cmd=set
CLIENT LIST
@match name=b .* flags=b db=0 .* cmd=blpop
CLIENT LIST
@match name=c .* flags=xb db=0 .* multi=0 .* cmd=set
CLIENT LIST
@match clients_in_timeout_table:0\r
INFO clients
CLIENT UNPAUSE
@conn a
@recv
@conn c
@recv
@conn main
@match blocked_clients:1\r
@until
INFO clients
@match name=a .* flags=N db=2 .* cmd=set
CLIENT LIST
@match name=b .* flags=b db=0 .* cmd=blpop
CLIENT LIST
@match name=c .* flags=x db=0 .* multi=1 .* cmd=set
CLIENT LIST
# One that waits for a key, and one that waits to give it
@conn a
SELECT 0
@conn main
CLIENT PAUSE 60000 WRITE
@conn a
@send LPUSH l 1
@conn main
@match blocked_clients:2\r
@until
INFO clients
CLIENT UNPAUSE
@conn b
@recv
@conn a
@recv
@conn main
@match blocked_clients:0\r
@until
INFO clients
# One that goes while it is held
CLIENT PAUSE 60000 WRITE
@conn a
@send SET k v
@conn main
@match blocked_clients:1\r
@until
INFO clients
@conn a
@close
@conn main
@match blocked_clients:0\r
@until
INFO clients
CLIENT UNPAUSE
