# Pipelines: replies come in order, errors in their place.
@pipeline begin
SET a 1
INCR a
GET a
NOSUCH
GET
INCRBY a 10
DEL a
GET a
PING
@pipeline end
@pipeline begin
SELECT 3
SET k three
SELECT 0
GET k
SELECT 3
GET k
SELECT 0
@pipeline end
@raw "INCR n\r\nINCR n\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\nINCR n\r\n"
@pipeline begin
SET big1 %{a*100000}
SET big2 %{b*100000}
GET big1
GET big2
STRLEN big1
APPEND big1 x
GET big1
@pipeline end
