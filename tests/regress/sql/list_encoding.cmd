@redis 7.2
# A list is a listpack while Redis 7.2 would keep it in one.
CONFIG GET list-max-listpack-size
RPUSH l a b c
OBJECT ENCODING l
RPUSH l %{x*8000}
OBJECT ENCODING l
RPUSH l %{y*200}
OBJECT ENCODING l
LPOP l 3
OBJECT ENCODING l
RPOP l
OBJECT ENCODING l
LSET l 0 tiny
OBJECT ENCODING l
# Bytes are those of the listpack: 7, 4086 for each of the long ones, 2 for 12, and 6 for 12345678, which makes 8187.
DEL l
RPUSH l %{a*4082}
RPUSH l %{b*4082}
OBJECT ENCODING l
RPUSH l 12
OBJECT ENCODING l
RPUSH l 12345678
OBJECT ENCODING l
RPUSH l abcdef
OBJECT ENCODING l

# A number of elements, at run time.
CONFIG SET list-max-listpack-size 3
DEL l
RPUSH l a b c
OBJECT ENCODING l
LINSERT l BEFORE b x
OBJECT ENCODING l
LPOP l
LPOP l
OBJECT ENCODING l
LPOP l
OBJECT ENCODING l
RPUSH l a b
OBJECT ENCODING l
LSET l 0 z
OBJECT ENCODING l
LREM l 0 a
LREM l 0 b
OBJECT ENCODING l
CONFIG SET list-max-listpack-size -1
DEL l
RPUSH l %{a*4000}
OBJECT ENCODING l
RPUSH l %{a*100}
OBJECT ENCODING l
COPY l m
OBJECT ENCODING m
CONFIG SET list-max-ziplist-size -5
RPUSH n %{a*60000}
OBJECT ENCODING n
RPUSH n %{a*6000}
OBJECT ENCODING n
@scanall SCAN 0 TYPE list
