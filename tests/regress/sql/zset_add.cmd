# ZADD with its options, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK
ZADD z 1 a
ZADD z 1 a 2 b 3 c
ZADD z 2 a
ZADD z CH 5 a 2 b 9 d
ZADD z NX 100 a 4 e
ZADD z XX 100 a 4 nosuch
ZADD z XX CH 101 a 2 b 1 nosuch
ZADD z GT CH 1 a 200 b
ZADD z LT CH 1 a 300 b
ZADD z GT 7 fresh
ZADD z XX GT 7 fresh2
ZADD z INCR 5 a
ZADD z INCR 5 newone
ZADD z NX INCR 5 a
ZADD z XX INCR 5 absent
ZADD z GT INCR -5 a
ZADD z LT INCR -5 a
ZADD z GT INCR 0 a
ZADD z NX XX 1 a
ZADD z NX GT 1 a
ZADD z NX LT 1 a
ZADD z GT LT 1 a
ZADD z INCR 1 a 2 b
ZADD z 1
ZADD z NX
ZADD z NX CH
ZADD z 1 a 2
ZADD z x a
ZADD z 1 a nan b
ZADD z nan a
ZADD z " 1" a
ZADD z "" a
ZADD z 1x a
ZADD z 0x10 hex
ZADD z 1e3 exp
ZADD z inf pinf -inf minf +inf pinf2 Infinity pinf3
ZADD z 1e400 over
ZADD z -0 zero 0 zero2
ZADD z 0 zero -0 zero2
ZADD z 3.14159265358979 pi 0.1 tenth 123456789012345678 big 1.7976931348623157e308 max 5e-324 tiny
ZRANGE z 0 -1 WITHSCORES
ZADD z INCR -inf pinf
ZSCORE z pinf
ZINCRBY z inf a
ZINCRBY z -inf a
ZINCRBY z 1.5 b
ZINCRBY z 1.5 c
ZINCRBY z -1.5 c
ZINCRBY z 0.1 tenth
ZINCRBY z x b
ZINCRBY z nan b
ZINCRBY fresh 4 m
ZINCRBY fresh -4 m
ZCARD z
ZCARD nosuch
ZSCORE z a
ZSCORE z nosuch
ZSCORE nosuch a
ZSCORE z ""
ZADD z 7 ""
ZSCORE z ""
ZMSCORE z a nosuch b "" pi
ZMSCORE nosuch a b
ZMSCORE z
ZRANK z a
ZRANK z ""
ZRANK z minf
ZREVRANK z minf
ZRANK z nosuch
ZRANK nosuch a
ZREVRANK z nosuch
ZREVRANK nosuch a
ZREM z a a nosuch b
ZREM z nosuch
ZREM nosuch a
ZREM z
ZREM fresh m
EXISTS fresh
TYPE z
TYPE fresh
SET s v
ZADD s 1 a
ZADD s x a
ZADD s XX 1 a
ZINCRBY s 1 a
ZREM s a
ZSCORE s a
ZMSCORE s a
ZCARD s
ZRANK s a
ZREVRANK s a
GET z
INCR z
APPEND z x
STRLEN z
GETRANGE z 0 1
SETRANGE z 0 x
MGET z s
ZADD z2 1 a 1 a 2 a
ZRANGE z2 0 -1 WITHSCORES
ZADD z2 XX 1 q
ZADD none XX 1 q
EXISTS none
EXPIRE z2 1000
ZADD z2 9 b
@about 1000
TTL z2
SET z2 x
TYPE z2
@resp 3
ZADD r 1 a 2.5 b inf c
ZADD r INCR 1 a
ZADD r NX INCR 1 a
ZSCORE r b
ZSCORE r c
ZSCORE r nosuch
ZMSCORE r a nosuch c
ZINCRBY r 0.25 b
ZRANK r b
ZRANK r nosuch
