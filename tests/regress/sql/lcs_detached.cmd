# A long comparison works on copies: its keys are anybody's, and no transaction is open.
@redis 7.2
@config --slow-lanes 2
SETRANGE a 3999 x
SETRANGE b 3999 y
@conn long
@send LCS a b LEN
@conn main
SETRANGE a 0 "\x00"
DEBUG ARENA CHECK
@conn long
@recv
@send LCS a b LEN
@conn main
DEBUG ARENA CHECK
SETRANGE b 0 "\x00"
@conn long
@recv

# within a transaction it keeps them
MULTI
SET c 1
LCS a b LEN
INCR c
EVAL "for i = 1, 1000000 do end return redis.call('incr', 'c')" 0
LCS a b LEN
EXEC
DEBUG ARENA CHECK
