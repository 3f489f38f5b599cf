# NOLOOP, OPTIN, OPTOUT.
@conn c
@resp 3
CLIENT TRACKING ON NOLOOP
GET a
SET a 1
PING
@conn main
SET a 2
@conn c
PING
GET a
@conn main
SET a 3
@conn c
PING
MGET a b
DEL a b
RENAME x y
PING
FLUSHALL
PING
CLIENT TRACKING OFF
CLIENT TRACKING ON OPTIN
GET a
@conn main
SET a 1
@conn c
PING
CLIENT CACHING YES
GET a
GET b
@conn main
SET a 2
SET b 2
@conn c
PING
# CLIENT's commands do not use it up, others do
CLIENT CACHING YES
CLIENT GETNAME
CLIENT ID x
GET a
@conn main
SET a 2
@conn c
PING
CLIENT CACHING YES
PING
GET a
CLIENT CACHING YES
NOSUCH
GET a
CLIENT CACHING YES
GET a b
GET a
@conn main
SET a 3
@conn c
PING
# a whole transaction
CLIENT CACHING YES
MULTI
GET a
GET b
EXEC
GET d
@conn main
MSET a 1 b 1 d 1
@conn c
PING
MULTI
CLIENT CACHING YES
GET a
EXEC
@conn main
MSET a 1 b 1 d 1
@conn c
PING
CLIENT CACHING YES
MULTI
GET a
DISCARD
GET a
@conn main
MSET a 1 b 1 d 1
@conn c
PING
CLIENT TRACKING OFF
CLIENT TRACKING ON OPTOUT
GET a
CLIENT CACHING NO
GET b
GET d
@conn main
SET b 2
SET a 2
SET d 2
@conn c
PING
CLIENT CACHING NO
MULTI
GET a
EXEC
@conn main
SET a 2
@conn c
PING
# what was read before all was dropped is forgotten, though nobody tracked then
CLIENT TRACKING OFF
@conn lone
@resp 3
CLIENT TRACKING ON
GET forgotten
GET kept
CLIENT TRACKING OFF
@conn main
FLUSHALL
@conn lone
PING
CLIENT TRACKING ON
GET kept
CLIENT TRACKING OFF
CLIENT TRACKING ON
@conn main
MSET forgotten 1 kept 1
@conn lone
PING
