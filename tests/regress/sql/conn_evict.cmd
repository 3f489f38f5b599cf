# the largest client is closed when all together take more than maxmemory-clients
@config --maxmemory-clients 1500kb
CONFIG GET maxmemory-clients
@conn big
@raw-until-close "*2\r\n$3\r\nGET\r\n$9000000\r\n%{x*4000000}"
@conn main
PING
CONFIG SET maxmemory-clients 0
CONFIG GET maxmemory-clients
CONFIG SET maxmemory-clients 10%
CONFIG GET maxmemory-clients
PING
