# BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP
RPUSH l a b c
BLPOP l 0
BRPOP none l 0
BLPOP none 0.01
BRPOP none other 0.01
BLMOVE l m LEFT RIGHT 0
BLMOVE none m LEFT RIGHT 0.01
BRPOPLPUSH m n 0
BRPOPLPUSH none n 0.01
BLMPOP 0 2 none n LEFT
BLMPOP 0.01 2 none n LEFT
RPUSH n 1 2 3
BLMPOP 0 1 n RIGHT COUNT 2
BLPOP l x
BLPOP l -1
BLPOP l 1e400
BLPOP l 99999999999999999999
BLPOP l
BLMOVE l m UP LEFT 0
BLMOVE l m LEFT LEFT x
BRPOPLPUSH l m -1
BLMPOP x 1 l LEFT
BLMPOP -1 1 l LEFT
BLMPOP 0 0 l LEFT
BLMPOP 0 1 l UP
BLMPOP 0 1 l LEFT COUNT 0
SET s x
BLPOP s 0
BLPOP none s l 0
BLPOP n s 0
RPUSH n 1
BLMOVE n s LEFT LEFT 0
BLMOVE s n LEFT LEFT 0
LRANGE n 0 -1
DEL n l m

# Somebody else pushes.
@conn a
@send BLPOP k 0
@blocked
@conn main
RPUSH k hello
@conn a
@recv
@conn main
EXISTS k
@conn a
@send BLPOP k1 k2 k3 0
@blocked
@conn main
RPUSH k3 3
@conn a
@recv

# First come first served; one push serves several.
@conn a
@send BLPOP q 0
@blocked
@conn b
@send BRPOP q 0
@blocked
@conn c
@send BLPOP q 0
@blocked
@conn main
RPUSH q 1 2 3 4
LRANGE q 0 -1
@conn a
@recv
@conn b
@recv
@conn c
@recv
@conn main
DEL q

# Moves wake those who wait for the destination.
@conn a
@send BLMOVE src dst LEFT RIGHT 0
@blocked
@conn b
@send BLPOP dst 0
@blocked
@conn main
LPUSH src x
@conn a
@recv
@conn b
@recv
@conn main
EXISTS src dst

# Other ways in which a key becomes a list.
@conn a
@send BLPOP renamed 0
@blocked
@conn main
RPUSH old 1 2
RENAME old renamed
@conn a
@recv
@send BLPOP copied 0
@blocked
@conn main
COPY renamed copied
@conn a
@recv
@conn main
DEL renamed copied
SELECT 1
RPUSH w 1
SELECT 0
@conn a
@send BLPOP w 0
@blocked
@conn main
SWAPDB 0 1
@conn a
@recv

# A wrong type that appears, and goes.
@send BLPOP t 0
@blocked
@conn main
SET t string
@conn a
@nothing 100
@conn main
DEL t
RPUSH t value
@conn a
@recv
@send BLMOVE t2 s2 LEFT LEFT 0
@blocked
@conn main
SET s2 x
RPUSH t2 value
@conn a
@recv
@conn main
LRANGE t2 0 -1
DEL t2 s2

# Time-outs, UNBLOCK, pipelines behind a blocked command, a client that goes.
@conn a
BLPOP none 0.1
@save ida
CLIENT ID
@send BLPOP none 0
@blocked
@conn main
CLIENT UNBLOCK %{ida}
@conn a
@recv
@send BLPOP none 0
@blocked
@conn main
CLIENT UNBLOCK %{ida} ERROR
@conn a
@recv
@conn main
CLIENT UNBLOCK %{ida}
CLIENT UNBLOCK 123456
@conn a
@send BLPOP pipe 0
@send PING
@send LPOP pipe
@blocked
@conn main
RPUSH pipe 1 2
@conn a
@recv
@recv
@recv
@conn gone
@send BLPOP g 0
@blocked
@close
@conn main
@until
@match ^blocked_clients:0\r
INFO clients
@conn a
@send BLPOP g 0
@blocked
@conn main
RPUSH g mine
@conn a
@recv
@conn main
EXISTS g

# CLIENT PAUSE
@conn a
@send BLPOP p 0
@blocked
@conn main
CLIENT PAUSE 300 WRITE
@send RPUSH p v
@recv
@conn a
@recv
@resp 3
BLPOP none 0.01
