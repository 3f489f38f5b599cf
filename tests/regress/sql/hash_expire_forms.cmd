@redis 7.4
# Fields that expire, in every form that a hash may have, and through all that a key may go through. The expectation is derived
# from the documentation of Redis 7.4: the encoding of a hash that has had such fields is listpackex, or hashtable for good.
DEBUG SET-ACTIVE-EXPIRE 0
CONFIG SET hash-max-listpack-entries 4
HSET h a 1 b 2 c 3 d 4
HPEXPIREAT h 33000000000001 FIELDS 1 a
HPEXPIREAT h 33000000000002 FIELDS 1 b
OBJECT ENCODING h
HSET h e 5
OBJECT ENCODING h
HPEXPIRETIME h FIELDS 5 a b c d e
HPERSIST h FIELDS 5 a b c d e
OBJECT ENCODING h
HPEXPIREAT h 33000000000003 FIELDS 1 e
HPEXPIRETIME h FIELDS 5 a b c d e
@sort
HVALS h
# A long value ends a listpack
CONFIG SET hash-max-listpack-entries 128
HSET i a 1 b 2
HPEXPIREAT i 33000000000001 FIELDS 2 a b
OBJECT ENCODING i
HSET i c %{x*100}
OBJECT ENCODING i
HPEXPIRETIME i FIELDS 3 a b c
HPEXPIREAT i 33000000000002 FIELDS 1 c
HSTRLEN i c
# and values that need blocks of their own move with their fields
HSET i d %{y*5000} %{f*3000} e
HPEXPIREAT i 33000000000004 FIELDS 2 d %{f*3000}
HPEXPIREAT i 33000000000003 FIELDS 2 d %{f*3000}
HSTRLEN i d
HPEXPIRETIME i FIELDS 2 d %{f*3000}
HPERSIST i FIELDS 2 d %{f*3000}
HSTRLEN i d
HGET i %{f*3000}
# A listpack that is too long for one entry
HSET m a %{1*60} b %{2*60} c %{3*60} d %{4*60} e %{5*60} f %{6*60} g %{7*60} h %{8*60} i %{9*60}
OBJECT ENCODING m
HPEXPIREAT m 33000000000000 FIELDS 2 c h
OBJECT ENCODING m
HPEXPIRETIME m FIELDS 3 c d h
HSTRLEN m c
HLEN m
# One that becomes too long
HSET p a %{1*60} b %{2*60} c %{3*60} d %{4*60} e %{5*60} f %{6*60}
HPEXPIREAT p 33000000000000 FIELDS 2 a f
HSET p g %{7*60} h %{8*60} i %{9*60}
OBJECT ENCODING p
HPEXPIRETIME p FIELDS 3 a f i
HSTRLEN p f
# Copies, other names, other databases
COPY h h2
HPEXPIRETIME h2 FIELDS 2 d e
HPEXPIREAT h2 44000000000000 FIELDS 1 e
HPEXPIRETIME h FIELDS 1 e
COPY p p2
RENAME p p3
MOVE p3 1
EXPIRE p2 1000
HPEXPIRETIME p2 FIELDS 2 a g
PERSIST p2
HPEXPIRETIME p2 FIELDS 2 a g
SELECT 1
HPEXPIRETIME p3 FIELDS 2 a g
INFO keyspace
SWAPDB 0 1
HPEXPIRETIME p2 FIELDS 2 a g
SWAPDB 0 1
SELECT 0
# A payload carries them: this is one of Redis 7.4 (type 24), and this one of its listpacks (25)
RESTORE r1 0 "\x18\x00\x10Gi\x03\x1e\x00\x00\x03\x01\x01a\xc0\x01\x00\x01b\xc0\x02\x05\x01c\xc0\x03\x0c\x00>\x87\xcb\xc4W\xab5\xf8"
HPEXPIRETIME r1 FIELDS 3 a b c
HMGET r1 a b c
RESTORE r2 0 "\x19\x00\x10Gi\x03\x1e\x00\x00\x1f\x1f\x00\x00\x00\x06\x00\x81a\x02\x81x\x02\xf4\x00\x10Gi\x03\x1e\x00\x00\x09\x81b\x02\x81y\x02\x00\x01\xff\x0c\x00\x87\x85C\x92>gyP"
HPEXPIRETIME r2 FIELDS 2 a b
HMGET r2 a b
OBJECT ENCODING r2
RESTORE r3 0 "\x16\x02\x81\x00\x00\x1e\x03iG\x10\x00\x01a\x01x\x00\x01b\x01y\x0c\x00#\x123\xf2\x9f\xcads"
HPEXPIRETIME r3 FIELDS 2 a b
RESTORE r4 0 "\x17\x1f\x1f\x00\x00\x00\x06\x00\x81a\x02\x81x\x02\xf4\x00\x10Gi\x03\x1e\x00\x00\x09\x81b\x02\x81y\x02\x00\x01\xff\x0c\x00\xa92p\xef\xde-#7"
HPEXPIRETIME r4 FIELDS 2 a b
# What is wrong with one: an expiry beyond 48 bits, a number that is none
RESTORE bad 0 "\x18\x00\x10Gi\x03\x1e\x00\x00\x01\x81\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01x\x0c\x00\x11\xcc\xf0-\x9eQ=\xb3"
RESTORE bad 0 "\x17\x14\x14\x00\x00\x00\x03\x00\x81a\x02\x81x\x02\x85later\x06\xff\x0c\x00|7\xd5\x00\x08:\xe1\x13"
EXISTS bad
# What a restart reads
DEBUG RELOAD
HPEXPIRETIME h FIELDS 5 a b c d e
HPEXPIRETIME m FIELDS 3 c d h
HPEXPIRETIME i FIELDS 3 a b c
HPEXPIRETIME r2 FIELDS 2 a b
OBJECT ENCODING m
# SORT looks into hashes
RPUSH l 2 1
HSET w1 w 20 n one
HSET w2 w 10 n two
HPEXPIREAT w1 33000000000000 FIELDS 1 n
SORT l BY w*->w GET w*->n
DEBUG ARENA CHECK
DEL h i m p2 h2 r1 r2 r3 r4 w1 w2 l
INFO keyspace
FLUSHALL
DEBUG ARENA CHECK
