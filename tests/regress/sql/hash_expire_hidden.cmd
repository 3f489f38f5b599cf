@redis 7.4
# With the background cycle off: a field whose time is over is hidden at once from every command (HLEN counts it no more: Redis
# 7.4 would until it is removed), and removed when something is written over it. The key itself stays until the cycle comes by.
DEBUG SET-ACTIVE-EXPIRE 0
HSET h a 1 b 2 c 3
HPEXPIRE h 30 FIELDS 2 a b
HSET all a 1 b 2
HPEXPIRE all 30 FIELDS 2 a b
HSET w a 1 b 2 n 5 f 1.5 g x
HPEXPIRE w 30 FIELDS 5 a b n f g
CONFIG SET hash-max-listpack-entries 2
HSET big a 1 b 2 c 3 d 4 e 5
CONFIG SET hash-max-listpack-entries 128
OBJECT ENCODING big
HPEXPIRE big 30 FIELDS 4 a b c d
HEXPIRE big 1000 FIELDS 1 e
@sleep 80
HGET h a
HMGET h a b c
HEXISTS h a
HEXISTS h c
HSTRLEN h b
HLEN h
HGETALL h
HKEYS h
HVALS h
HSCAN h 0
HRANDFIELD h
HRANDFIELD h -3
HRANDFIELD h 5 WITHVALUES
HTTL h FIELDS 3 a b c
HPEXPIRETIME h FIELDS 2 a c
HGETALL big
HLEN big
HKEYS big
HSCAN big 0 NOVALUES
HRANDFIELD big
HRANDFIELD big 1
HRANDFIELD big -2 WITHVALUES
HRANDFIELD big 3
HMGET big a e
# Where all are over
HLEN all
HGETALL all
HRANDFIELD all
HRANDFIELD all 2
HRANDFIELD all -2
HSCAN all 0
EXISTS all
# A copy, a new name and a payload hide them as well
COPY h h2
HGETALL h2
RENAME h2 h3
HLEN h3
# and what looks up fields by itself
RPUSH l h
SORT l BY nosort GET *->a GET *->c
# Who writes finds none
HSETNX w a new
HSET w b new
HINCRBY w n 1
HINCRBYFLOAT w f 0.5
HDEL w g
HPEXPIRETIME w FIELDS 5 a b n f g
HLEN w
HEXPIRE h 100 FIELDS 2 a c
HPERSIST h FIELDS 2 b c
HLEN h
HDEL big a b
HPEXPIREAT big 1 FIELDS 2 c e
EXISTS big
HLEN big
HEXPIRE big 1 FIELDS 1 d
EXISTS big
HPERSIST all FIELDS 2 a b
EXISTS all
# In a transaction the same
HSET t a 1 b 2
HPEXPIRE t 30 FIELDS 1 a
@sleep 80
MULTI
HINCRBY t a 5
HGETALL t
HPEXPIRE t 0 FIELDS 2 a b
EXISTS t
EXEC
DEBUG ARENA CHECK
