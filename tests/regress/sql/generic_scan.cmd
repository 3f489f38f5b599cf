# SCAN with MATCH, COUNT and TYPE
SCAN 0
@scanall SCAN 0
MSET a 1 b 2 c 3 k:1 1 k:2 2 k:3 3
@scanall SCAN 0
@scanall SCAN 0 MATCH k:*
@scanall SCAN 0 match K:*
@scanall SCAN 0 COUNT 1
@scanall SCAN 0 COUNT 1000000
@scanall SCAN 0 MATCH * COUNT 2
@scanall SCAN 0 TYPE string
@scanall SCAN 0 TYPE STRING
@scanall SCAN 0 TYPE list
@scanall SCAN 0 TYPE nosuchtype
@scanall SCAN 0 COUNT 5 MATCH ?:[12] TYPE string
@scanall SCAN 0 MATCH a MATCH b
@scanall SCAN 0 COUNT 10 COUNT 1
@scanall SCAN 0 MATCH nosuch
SCAN
SCAN a
@pick 0
SCAN ""
SCAN " 0"
SCAN -1 MATCH nosuch
SCAN 1.5
SCAN 99999999999999999999999999
SCAN 0 COUNT
SCAN 0 MATCH
SCAN 0 TYPE
SCAN 0 COUNT 0
SCAN 0 COUNT -1
SCAN 0 COUNT a
SCAN 0 COUNT 9223372036854775808
SCAN 0 BOGUS
SCAN 0 BOGUS 1
SCAN a COUNT 0
@scanall SCAN 0 COUNT 9223372036854775807

# keys that are over are not shown
SET k:4 4 PX 1
@sleep 20
@scanall SCAN 0 MATCH k:*

# many keys: each exactly in the union
FLUSHALL
DEBUG POPULATE 3000 x 4
DBSIZE
@type
SCAN 0 COUNT 100
@scanall SCAN 0 COUNT 500 MATCH x:12?
@scanall SCAN 0 COUNT 77 MATCH x:299[5-9]
SELECT 3
@scanall SCAN 0
