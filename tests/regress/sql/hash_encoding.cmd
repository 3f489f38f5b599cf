# When a hash becomes a hashtable
@config --hash-max-listpack-entries 5 --hash-max-listpack-value 20
HSET h a 1 b 2 c 3 d 4 e 5
OBJECT ENCODING h
HSET h e 6
OBJECT ENCODING h
HSET h f 6
OBJECT ENCODING h
HDEL h a b c d e
OBJECT ENCODING h
HGETALL h
HSET v f 12345678901234567890
OBJECT ENCODING v
HSET v f 123456789012345678901
OBJECT ENCODING v
HGET v f
HSET v f short
OBJECT ENCODING v
HSET k 123456789012345678901 v
OBJECT ENCODING k
HINCRBY i 123456789012345678901 1
OBJECT ENCODING i
HGETALL i
HSETNX x f 123456789012345678901
OBJECT ENCODING x
HSETNX x f 1
# many at once
HSET m a 1 b 2 c 3 d 4 e 5 f 6 g 7
OBJECT ENCODING m
HLEN m
@sort
HKEYS m
HMGET m a b c d e f g h
# the limits may be changed at run time; what is a hashtable stays one
CONFIG SET hash-max-listpack-entries 2 hash-max-listpack-value 64
HSET c a 1 b 2
OBJECT ENCODING c
HSET c d 3
OBJECT ENCODING c
CONFIG SET hash-max-ziplist-entries 512
@sort
CONFIG GET hash-max-*
HSET c e 1
OBJECT ENCODING c
HSET d a %{x*64}
OBJECT ENCODING d
HSET d a %{x*65}
OBJECT ENCODING d
# long values and fields, beyond what a packed entry holds
HSET p a %{a*60} b %{b*60} c %{c*60} d %{d*60} e %{e*60} f %{f*60} g %{g*60} h %{h*60} i %{i*60} j %{j*60}
OBJECT ENCODING p
HGETALL p
HSET p c short k new a ""
HGETALL p
HDEL p a b e
HGETALL p
HDEL p c d f g h i j
HGETALL p
OBJECT ENCODING p
HDEL p k
EXISTS p
CONFIG SET hash-max-listpack-value 5000
HSET q a %{x*3000} b %{y*200} c z
OBJECT ENCODING q
HSTRLEN q a
HGET q b
HSET q a %{x*4000}
HSTRLEN q a
HSET q a 1
HGETALL q
HSET q f1 %{f*1100}
HDEL q f1
HGETALL q
HSET t a %{x*100000}
OBJECT ENCODING t
HSTRLEN t a
HSET t a 1 b %{x*2000}
HGET t a
HSTRLEN t b
HDEL t b
DEL t q d
