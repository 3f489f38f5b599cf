# PING ECHO SELECT QUIT
PING
PING hello
PING ""
PING "\x00\xff"
PING a b
ECHO hi
ECHO ""
ECHO "a\r\nb"
ECHO
ECHO a b
SELECT 0
SELECT 15
SET k db15
SELECT 0
GET k
SELECT 15
GET k
SELECT 16
SELECT -1
SELECT abc
SELECT ""
SELECT 1.5
SELECT 99999999999999999999
SELECT " 1"
SELECT
SELECT 1 2
GET k
PiNg
QUIT
PING
@conn q2
QUIT with arguments
@expect-close
@conn q3
@pipeline begin
SET a 1
QUIT
SET a 2
@pipeline end
@conn main
GET a
SELECT 0
@until "1"
GET a
@conn p1
@raw "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"
