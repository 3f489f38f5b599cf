# Before AUTH a client may neither claim many arguments nor long ones.
@config --requirepass secret
@conn a
@raw-until-close "*11\r\n"
@conn b
@raw-until-close "*1\r\n$16385\r\n"
@conn c
PING
AUTH secret
PING
DEBUG ERROR x
@conn d
QUIT
@conn e
@raw "PING\r\nAUTH secret\r\nPING\r\n"
