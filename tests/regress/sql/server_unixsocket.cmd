# A unix socket beside the TCP port
@config --unixsocket skep.sock --unixsocketperm 770
@mode skep.sock
CONFIG GET unixsocket
CONFIG GET unixsocketperm
CONFIG SET unixsocketperm 700
@conn u skep.sock
PING
SET k over-the-socket
CLIENT SETNAME local
@match \baddr=skep\.sock:0 laddr=skep\.sock:0 fd=\d+ name=local .* flags=U 
CLIENT INFO
@pipeline begin
GET k
GET nosuch
@pipeline end
@conn main
GET k
@match flags=N 
CLIENT INFO
@match addr=skep\.sock:0 .* name=local 
CLIENT LIST TYPE normal
CLIENT KILL ADDR skep.sock:1
CLIENT KILL ADDR skep.sock:0
@conn u
@expect-close
@conn again skep.sock
PING
QUIT
@expect-close
