# When a set changes its encoding: as of 7.2, which has listpacks for sets
@redis 7.2
@config --set-max-intset-entries 4 --set-max-listpack-entries 6 --set-max-listpack-value 20
SADD i 4 3 2 1
OBJECT ENCODING i
SADD i 4
OBJECT ENCODING i
SADD i 5
OBJECT ENCODING i
SREM i 5 4 3
OBJECT ENCODING i
SADD l 1 2 x
OBJECT ENCODING l
SMEMBERS l
SADD l 3 a b
OBJECT ENCODING l
SADD l c
OBJECT ENCODING l
SADD w x
OBJECT ENCODING w
SADD w 12345678901234567890
OBJECT ENCODING w
SADD w 123456789012345678901
OBJECT ENCODING w
SADD v 1 123456789012345678901
OBJECT ENCODING v
# so many that neither would do
SADD m 1 2 3 4 5
OBJECT ENCODING m
SADD n 1 2 3 4 5 6 7
OBJECT ENCODING n
SADD o a b c d e f g
OBJECT ENCODING o
SADD p 1
SADD p 1 1 1 1 1
OBJECT ENCODING p
# what is stored
SADD a 1 2 3
SADD b x 2 3
SUNIONSTORE d a
OBJECT ENCODING d
SUNIONSTORE d a b
OBJECT ENCODING d
SINTERSTORE d b a
OBJECT ENCODING d
SMOVE b a x
OBJECT ENCODING a
SMEMBERS a
# the limits may be changed at run time
CONFIG SET set-max-listpack-entries 1 set-max-intset-entries 512 set-max-listpack-value 64
@sort
CONFIG GET set-max-*
SADD r x
OBJECT ENCODING r
SADD r y
OBJECT ENCODING r
CONFIG SET set-max-listpack-entries 128
SADD q %{a*64} %{b*64} %{c*64} %{d*64} %{e*64} %{f*64} %{g*64} %{h*64} %{i*64}
OBJECT ENCODING q
SMEMBERS q
SREM q %{b*64}
SISMEMBER q %{b*64}
SISMEMBER q %{i*64}
SCARD q
COPY q qq
OBJECT ENCODING qq
SMEMBERS qq
SADD qq %{a*65}
OBJECT ENCODING qq
SCARD qq
SCARD q
