# Fields of a hash, one and many
HSET h f1 v1
HSET h f1 v2 f2 x f3 ""
HGET h f1
HGET h nosuch
HGET nosuch f
HLEN h
HLEN nosuch
HEXISTS h f3
HEXISTS h f4
HEXISTS nosuch f
HSTRLEN h f1
HSTRLEN h f3
HSTRLEN h f4
HSTRLEN nosuch f
HMGET h f1 nosuch f2 f1
HMGET nosuch a b
HGETALL h
HKEYS h
HVALS h
HGETALL nosuch
HKEYS nosuch
HVALS nosuch
TYPE h
HMSET h f4 4 f5 5
HGETALL h
HSETNX h f1 other
HSETNX h f6 6
HSETNX new f v
HGETALL new
# the same field twice: the last one counts, it is added once
HSET twice a 1 a 2 b 3
HGETALL twice
# an empty field
HSET twice "" empty
HGET twice ""
HDEL twice ""
# binary
HSET bin "a\x00b" "\xff\x00\r\n"
HGETALL bin
# deleting; the last field takes the key with it
HDEL h f1 nosuch f2 f1
HGETALL h
HDEL h f3 f4 f5 f6
EXISTS h
HDEL h f1
# expiry stays with the key
HSET e f v
EXPIREAT e 9999999999
HSET e g w
EXPIRETIME e
HDEL e g
EXPIRETIME e
# wrong numbers of arguments
HSET h
HSET h f
HSET h f v g
HMSET h f v g
HGET h
HMGET h
HDEL h
HSETNX h f
HGETALL
HGETALL a b
# another type
SET s x
HSET s f v
HSET s f
HGET s f
HMGET s f
HDEL s f
HLEN s
HGETALL s
HKEYS s
HVALS s
HEXISTS s f
HSTRLEN s f
HSETNX s f v
HMSET s f v
HINCRBY s f 1
HINCRBYFLOAT s f 1
HRANDFIELD s
HSCAN s 0
HSET hh f v
GET hh
APPEND hh x
INCR hh
MGET hh s
SET hh string
TYPE hh
# RESP3
HSET r3 a 1 b 2
@resp 3
HGETALL r3
HKEYS r3
HVALS r3
HGET r3 nosuch
HMGET r3 a nosuch
HGETALL nosuch
HKEYS nosuch
HEXISTS r3 a
