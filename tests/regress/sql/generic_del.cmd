# DEL UNLINK EXISTS TOUCH TYPE
MSET a 1 b 2 c 3
DEL a
DEL a b c
DEL nosuch
MSET a 1 b 2 c 3
DEL a a b
EXISTS a b c
UNLINK c c
UNLINK nosuch
MSET a 1 b 2
UNLINK a b nosuch
DBSIZE
SET k v
EXISTS k
EXISTS k k k nosuch
EXISTS nosuch
TOUCH k
TOUCH k k nosuch
TOUCH nosuch
TYPE k
TYPE nosuch
SET i 5
TYPE i
SET big %{x*100000}
UNLINK big
EXISTS big
SET "" e
EXISTS ""
DEL ""
DEL
UNLINK
EXISTS
TOUCH
TYPE
TYPE a b
SET gone v PX 1
@sleep 20
DEL gone
EXISTS gone
TYPE gone
TOUCH gone
UNLINK gone
