# Members of a set, one and many
SADD s a
SADD s a b c b
SCARD s
SCARD nosuch
SISMEMBER s a
SISMEMBER s x
SISMEMBER nosuch x
SMISMEMBER s a x c a
SMISMEMBER nosuch a b
@sort
SMEMBERS s
SMEMBERS nosuch
TYPE s
SREM s a x a b
SMEMBERS s
SREM s c
EXISTS s
SREM s c
# integers come in their order
SADD i 5 1 -7 3 100 -70 0 9223372036854775807 -9223372036854775808
SMEMBERS i
OBJECT ENCODING i
SADD i 1 3 2
SMEMBERS i
SREM i 100 -70 77
SMEMBERS i
SISMEMBER i 5
SISMEMBER i 05
SADD bin "\xff\x00\r\n" ""
@sort
SMEMBERS bin
SISMEMBER bin ""
# expiry stays
SADD e a
EXPIREAT e 9999999999
SADD e b
SREM e a
EXPIRETIME e
# SMOVE
SADD src a b c
SADD dst c d
SMOVE src dst a
SMOVE src dst c
SMOVE src dst x
SMOVE nosuch dst x
SMOVE src src b
SMOVE src src x
@sort
SMEMBERS src
@sort
SMEMBERS dst
SMOVE src new b
EXISTS src
SMEMBERS new
# errors
SADD
SADD s
SREM s
SISMEMBER s
SMISMEMBER s
SMOVE a b
SET str x
SADD str a
SREM str a
SCARD str
SMEMBERS str
SISMEMBER str a
SMISMEMBER str a
SMOVE str dst a
SMOVE dst str d
SMOVE nosuch str d
SMOVE str str d
SPOP str
SPOP str 1
SRANDMEMBER str
SRANDMEMBER str 1
SMISMEMBER nosuch a
GET dst
HSET dst a b
# RESP3
SADD one 1
@resp 3
SMEMBERS one
SMEMBERS nosuch
SISMEMBER one 1
SMISMEMBER one 1 2
