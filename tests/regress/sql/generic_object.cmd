# OBJECT and its subcommands
SET k v
SET n 5
OBJECT ENCODING k
OBJECT encoding n
OBJECT ENCODING nosuch
OBJECT REFCOUNT k
OBJECT REFCOUNT nosuch
# whole seconds of a clock that goes on: a second may begin in between
@match ^\d$
OBJECT IDLETIME k
OBJECT IDLETIME nosuch
OBJECT FREQ k
OBJECT FREQ nosuch
@type
OBJECT HELP
OBJECT BOGUS
OBJECT BOGUS k
OBJECT
OBJECT ENCODING
OBJECT ENCODING a b
OBJECT REFCOUNT
OBJECT IDLETIME
OBJECT FREQ
OBJECT HELP x
CONFIG SET maxmemory-policy allkeys-lfu
SET f v
@match ^[45]$
OBJECT FREQ f
OBJECT FREQ nosuch
OBJECT IDLETIME f
@type
OBJECT FREQ f
CONFIG SET maxmemory-policy noeviction
SET g v
@match ^\d$
OBJECT IDLETIME g
OBJECT FREQ g
TOUCH g
@match ^\d$
OBJECT IDLETIME g
