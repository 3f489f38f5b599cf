# Intersections, unions and differences
SADD a 1 2 3 4 5
SADD b 4 5 6 7
SADD c 5 9 -3
SINTER a b
SINTER a b c
SINTER a
SINTER a nosuch
SINTER nosuch
SUNION a b
SUNION a b c nosuch
SUNION nosuch
SDIFF a b
SDIFF a b c
SDIFF a nosuch
SDIFF nosuch a
SDIFF a a
SINTER a a
SADD x one two three 4
SADD y two three four 4
@sort
SINTER x y
@sort
SUNION x y
@sort
SUNION x y a
SDIFF y x
@sort
SDIFF x a
@sort
SINTER x a
# stored
SINTERSTORE d a b
SMEMBERS d
SUNIONSTORE d a b c
SMEMBERS d
SDIFFSTORE d a b
SMEMBERS d
SINTERSTORE d a nosuch
EXISTS d
SDIFFSTORE d nosuch a
SUNIONSTORE d nosuch nosuch2
EXISTS d
SUNIONSTORE x x y
@sort
SMEMBERS x
SINTERSTORE a a b
SMEMBERS a
SDIFFSTORE b b b
EXISTS b
# whatever the destination was; its expiry goes
SET d string
EXPIREAT d 9999999999
SUNIONSTORE d c
SMEMBERS d
EXPIRETIME d
SET d string
SINTERSTORE d nosuch c
EXISTS d
# errors
SET str x
SINTER str c
SINTER c str
SINTER nosuch str
SUNION c str
SUNION nosuch str
SDIFF c str
SDIFF nosuch str
SINTERSTORE d c str
SUNIONSTORE d c str
SDIFFSTORE d c str
SINTER
SUNIONSTORE d
@resp 3
SINTER c
SUNION c nosuch
SDIFF nosuch
SINTER nosuch c
