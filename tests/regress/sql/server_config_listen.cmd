# CONFIG SET of what the server listens on: what cannot be had is refused, with everything beside it
CONFIG SET bind 192.0.2.1
CONFIG GET bind
CONFIG SET bind "127.0.0.1 192.0.2.1"
CONFIG SET bind "127.0.0.1 127.0.0.1"
CONFIG GET bind
# the argument that is tried first is named
CONFIG SET maxmemory 100mb PORT 1 timeout 7 bind 192.0.2.1
CONFIG SET timeout 7 bind 192.0.2.1 port 1
CONFIG SET bind 127.0.0.1 port 1 BIND 192.0.2.1
CONFIG GET maxmemory
CONFIG GET timeout
CONFIG GET bind
PING
# wider, narrower, and an address that need not be there
CONFIG SET bind *
CONFIG SET bind "127.0.0.1 -192.0.2.1"
CONFIG GET bind
CONFIG SET bind 127.0.0.1 timeout 9
CONFIG GET timeout
CONFIG GET bind
CONFIG SET bind 127.0.0.1
PING
CONFIG SET unixsocket /tmp/none tcp-backlog 1
