@redis 7.4
# Fields that expire: what the commands answer. The expectation follows the documentation of Redis 7.4, command by command:
# -2 no such field (or key), -1 it has no expiry, 0 the condition is not met, 1 done, 2 removed, since that moment is over.
DEBUG SET-ACTIVE-EXPIRE 0
HSET h a 1 b 2 c 3 d 4
OBJECT ENCODING h
HEXPIRE h 100 FIELDS 3 a b x
OBJECT ENCODING h
@match \A1\) :(100|[89]\d)\n2\) :(100|[89]\d)\n3\) :-1\n4\) :-2\Z
HTTL h FIELDS 4 a b c x
@about 100000
@pick 0
HPTTL h FIELDS 1 a
HPEXPIRE h 200000 fields 1 b
@match \A1\) :(100|[89]\d)\n2\) :(200|1[89]\d)\Z
HTTL h FIELDS 2 a b
# Moments as such, in seconds and milliseconds
HEXPIREAT h 33000000000 FIELDS 1 a
HEXPIRETIME h FIELDS 2 a c
HPEXPIRETIME h FIELDS 3 a c x
HPEXPIREAT h 33000000000001 FIELDS 1 b
# Seconds are rounded up: the field is there until then
HEXPIRETIME h FIELDS 1 b
HPEXPIRETIME h FIELDS 1 b
# Conditions: a field without an expiry counts as one that never expires
HPEXPIREAT h 44000000000000 NX FIELDS 3 a c x
HPEXPIREAT h 44000000000001 XX FIELDS 3 a d x
HPEXPIREAT h 44000000000001 GT FIELDS 3 a c d
HPEXPIREAT h 44000000000000 gt FIELDS 1 a
HPEXPIREAT h 44000000000001 LT FIELDS 3 a c d
HPEXPIREAT h 44000000000000 Lt FIELDS 1 a
HPEXPIRETIME h FIELDS 4 a b c d
# A field that is named twice is looked at twice
HPEXPIREAT h 44000000000002 NX FIELDS 2 b b
HPERSIST h FIELDS 5 a b b c x
HPEXPIRETIME h FIELDS 4 a b c d
# A moment that is over removes the field; the last one takes the key along
HEXPIRE h 0 FIELDS 2 a a
HPEXPIREAT h 1 NX FIELDS 2 b d
HEXPIREAT h 1 XX FIELDS 2 c d
HGETALL h
HPEXPIREAT h 0 GT FIELDS 1 c
HPEXPIREAT h 0 LT FIELDS 1 c
EXISTS h
# Keys that do not exist
HEXPIRE nosuch 10 FIELDS 2 a b
HPEXPIREAT nosuch 1 NX FIELDS 1 a
HTTL nosuch FIELDS 2 a b
HPTTL nosuch FIELDS 1 a
HEXPIRETIME nosuch FIELDS 1 a
HPEXPIRETIME nosuch FIELDS 1 a
HPERSIST nosuch FIELDS 3 a b c
EXISTS nosuch
# What is wrong
SET s v
HEXPIRE s x FIELDS 1 a
HPERSIST s FIELDS 0 a
HTTL s FIELDS 1 a
HSET h a 1 b 2
HEXPIRE h x FIELDS 1 a
HEXPIRE h 1.5 FIELDS 1 a
HEXPIRE h 9223372036854775808 FIELDS 1 a
HEXPIRE h -1 FIELDS 1 a
HPEXPIREAT h -1 FIELDS 1 a
# No field expires later than 2^46 - 1 milliseconds after 1970
HPEXPIREAT h 70368744177664 FIELDS 1 a
HPEXPIREAT h 70368744177663 FIELDS 1 a
HEXPIREAT h 70368744178 FIELDS 1 a
HEXPIREAT h 70368744177 FIELDS 1 a
HPEXPIRE h 70368744177663 FIELDS 1 a
HEXPIRE h 70368744177 FIELDS 1 a
HEXPIRE h 9223372036854775807 FIELDS 1 a
HPEXPIRETIME h FIELDS 2 a b
HEXPIRE h 10 1 a b
HEXPIRE h 10 NX 1 FIELDS a
HEXPIRE h 10 NX XX FIELDS 1 a
HEXPIRE h 10 ZZ FIELDS 1 a
HEXPIRE nosuch 10 ZZ FIELDS 1 a
HEXPIRE h 10 FIELDS 0 a
HEXPIRE h 10 FIELDS x a
HEXPIRE h 10 FIELDS -1 a
HEXPIRE h 10 FIELDS 2 a
HEXPIRE h 10 FIELDS 1 a b
HEXPIRE h 10 NX FIELDS 1
HEXPIRE h 10 FIELDS 1
HPEXPIREAT h
HTTL h FIELD 1 a
HTTL h FIELDS 0 a
HTTL h FIELDS x a
HTTL h FIELDS 2 a
HTTL h FIELDS 1 a b
HPERSIST h FIELDS -2 a
HPERSIST h FIELDS 3 a b
HPERSIST h a b c
HPEXPIRETIME h FIELDS 1
# Nothing of that has changed anything
HPEXPIRETIME h FIELDS 2 a b
# Setting a field takes its expiry, changing a number does not
DEL h
HSET h n 1 f 1.5 s x t y u z
HPEXPIREAT h 33000000000000 FIELDS 5 n f s t u
HINCRBY h n 5
HINCRBYFLOAT h f 1
HSET h s new
HSETNX h t new
HMSET h u new
HPEXPIRETIME h FIELDS 5 n f s t u
HMGET h n f s t u
HDEL h n f t
HSET h n 1
HPEXPIRETIME h FIELDS 4 n f s t
OBJECT ENCODING h
# NOVALUES of HSCAN
DEL h s
HSET h a 1 b 2
HSCAN h 0 NOVALUES
HSCAN h 0 MATCH b* novalues COUNT 10
HSCAN h 0 NOVALUES COUNT
HSCAN nosuch 0 NOVALUES
SADD set a
SSCAN set 0 NOVALUES
SCAN 0 NOVALUES
