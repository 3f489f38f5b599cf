# queued commands run together, and see what those before them did
MULTI
SET a 1
INCR a
INCR a
APPEND a xyz
INCR a
GET a
STRLEN a
EXEC
GET a
# an empty transaction
MULTI
EXEC
# nothing is done before EXEC, nor after DISCARD
SET d 1
MULTI
SET d 2
@conn other
GET d
@conn main
DISCARD
GET d
EXEC
DISCARD
# several keys named by several commands, twice by one
MULTI
MSET k1 1 k2 2 k3 3 k1 one
MGET k1 k2 k3 k1 none
DEL k2 k2
RENAME k3 k2
COPY k2 k4
MGET k1 k2 k3 k4
SETRANGE k1 2 XY
GETDEL k1
EXISTS k1 k2 k2 k3
EXEC
MGET k1 k2 k3 k4
# expiry inside
MULTI
SET e v EX 100
PERSIST e
TTL e
EXPIRE e 50
TTL e
EXPIRE e -1
EXISTS e
SET e w PX 100000
TTL e
EXEC
# a key that has expired already is gone for reading and writing
SET x old PX 1
@sleep 20
MULTI
GET x
SETNX x new
GET x
EXEC
GET x
SET y old PX 1
@sleep 20
MULTI
GET y
EXISTS y
EXEC
# databases
SELECT 0
MULTI
SET m 0
SELECT 1
SET m 1
SELECT 2
SET m 2
GET m
SELECT 1
GET m
MOVE m 3
SELECT 3
GET m
EXEC
GET m
SELECT 0
GET m
MULTI
SELECT 99
GET m
EXEC
# long values
MULTI
SET long %{v*10000}
STRLEN long
APPEND long w
SETRANGE long 5 abc
GETRANGE long 0 10
STRLEN long
SET long short
GET long
EXEC
# commands of the connection
MULTI
PING
ECHO hello
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
EXEC
CLIENT GETNAME
# RESET and QUIT are not queued
MULTI
SET q 1
RESET
EXEC
GET q
@conn quits
MULTI
SET q 1
QUIT
@expect-close
@conn main
GET q
