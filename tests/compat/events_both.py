#!/usr/bin/env python3
"""Keyspace events beside redis-server: the same commands, and every event of either server in the same order.

    events_both.py --server 'build/skep --workers 2'

A line is a command of the connection `main`, which stands between two looks at what subscribers were told; its reply is compared
as well, unless the line begins with ~ (what it says is up to chance). Other lines begin with

    flags F       CONFIG SET notify-keyspace-events
    a: COMMAND    a client of its own begins to wait with this command; its reply is read when the next line has been run
    own: COMMAND  by a subscriber itself, in RESP3
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import resp  # noqa: E402
import server  # noqa: E402

HASHES = """
HSET h a 1 b 2
HSET h a 1
HSET h a 2 c 3
HMSET h d 4
HMSET h2 d 4
HSETNX h a 9
HSETNX h z 9
HSETNX h3 z 9
HINCRBY h n 5
HINCRBY h a x
HINCRBY h4 n 5
HINCRBYFLOAT h n 1.5
HINCRBYFLOAT h5 n 1.5
HINCRBYFLOAT h n x
HDEL h nothing
HDEL h a b
HDEL h c d z n
HDEL h a
HDEL nokey a
HGET h a
HGETALL h
HMGET h a b
HLEN nokey
~HRANDFIELD nokey
HSCAN nokey 0
HEXISTS nokey f
HSTRLEN nokey f
HKEYS nokey
SET str x
HSET str a 1
HDEL str a
DEL h2 h3 h4 h5 str
"""

SETS = """
SADD s a b c
SADD s a
SADD s a d
SADD i 1 2 3
SREM s x
SREM s a x
SREM s b c d
SREM s b
SADD s a b c d e
~SPOP s
~SPOP s 2
SPOP s 0
~SPOP s 10
SPOP s
SPOP s 3
SADD s a b c
SADD t b c d
SMOVE s t a
SMOVE s t nothing
SMOVE s t b
SMOVE s u c
SMOVE nokey t a
SMOVE u u c
SMOVE u u x
SADD s a b c
SINTERSTORE d s t
SINTERSTORE d s t
SINTERSTORE d s nokey
SINTERSTORE d s nokey
SUNIONSTORE d s t nokey
SUNIONSTORE d s
SDIFFSTORE d s t
SDIFFSTORE d s s
SDIFFSTORE d nokey1 nokey2
SUNIONSTORE d nokey1 nokey2
SUNIONSTORE s s t
SINTER s nokey t
SINTERCARD 2 s nokey
SUNION nokey nokey2
SDIFF nokey s
SISMEMBER nokey a
SMISMEMBER nokey a b
SCARD nokey
SMEMBERS nokey
SRANDMEMBER nokey
SSCAN nokey 0
SET str x
SINTERSTORE str s t
SET str x
SADD str a
SINTERSTORE d s str
DEL s t i u d str
"""

LISTS = """
LPUSH l a b
RPUSH l c
LPUSHX l d
RPUSHX l e
LPUSHX nokey d
RPUSHX nokey d
LINSERT l BEFORE c x
LINSERT l AFTER nothing x
LINSERT nokey AFTER a x
LSET l 0 y
LSET l 100 y
LSET nokey 0 y
LREM l 0 nothing
LREM l 0 c
LTRIM l 0 3
LTRIM l 0 -1
LTRIM nokey 0 1
LPOP l
RPOP l
LPOP l 0
LPOP l 1
RPOP l 10
LPOP l
LPOP l 2
RPUSH l 1 2 3
LTRIM l 5 6
RPUSH l a a
LREM l 0 a
RPUSH l 1 2 3
LMOVE l m LEFT RIGHT
LMOVE l m RIGHT LEFT
LMOVE l m LEFT LEFT
LMOVE l m LEFT LEFT
RPOPLPUSH m l
LMOVE m m LEFT RIGHT
LMOVE m m LEFT LEFT
LMOVE l l LEFT RIGHT
RPOPLPUSH l l
RPOPLPUSH nokey l
BRPOPLPUSH m l 0
BLMOVE m n LEFT RIGHT 0
BLMOVE m l LEFT RIGHT 0.01
BLPOP l n 0
BRPOP n 0
LMPOP 2 nokey l LEFT COUNT 1
RPUSH l 1 2 3
LMPOP 1 l RIGHT COUNT 2
BLMPOP 0 2 nokey l LEFT COUNT 5
LMPOP 1 nokey LEFT
BLPOP nokey 0.01
LRANGE nokey 0 -1
LLEN nokey
LINDEX nokey 0
LPOS nokey a
SET str x
LPUSH str a
LMOVE str l LEFT LEFT
RPUSH l 1
LMOVE l str LEFT LEFT
DEL l m n str
"""

BLOCKED = """
a: BLPOP b 0
RPUSH b 1
a: BRPOP b 0
RPUSH b 1 2
a: BLMPOP 0 2 x y LEFT COUNT 2
LPUSH y 1 2 3
a: BLMOVE src dst LEFT RIGHT 0
RPUSH src 1
a: BRPOPLPUSH src dst 0
RPUSH src 1 2
a: BZPOPMIN z 0
ZADD z 1 a
a: BZPOPMAX z 0
ZADD z 1 a 2 b
a: BZMPOP 0 1 z2 MIN COUNT 2
ZADD z2 1 a 2 b 3 c
a: BLPOP ren 0
RENAME dst ren
DEL b y src dst z z2 ren
"""

ZSETS = """
ZADD z 1 a 2 b
ZADD z 1 a
ZADD z 2 a
ZADD z NX 5 a
ZADD z NX 5 c
ZADD z XX 5 nothing
ZADD z XX 5 a
ZADD z GT 1 a
ZADD z GT CH 9 a
ZADD z XX INCR 1 nothing
ZADD nokey XX 1 a
ZADD z INCR 1 a
ZADD z INCR 0 a
ZINCRBY z 1 a
ZINCRBY z 0 a
ZINCRBY z 0 new
ZINCRBY z2 1 a
ZADD z inf i
ZINCRBY z -inf i
ZREM z nothing
ZREM z a nothing
ZREM z2 a
ZREM z2 a
ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
ZREMRANGEBYRANK z 0 0
ZREMRANGEBYRANK z 100 101
ZREMRANGEBYSCORE z 2 2
ZREMRANGEBYSCORE z 1000 1001
ZREMRANGEBYLEX z [c [c
ZPOPMIN z
ZPOPMAX z 2
ZPOPMIN z 0
ZPOPMIN z 100
ZPOPMIN z
ZADD z 1 a 2 b 3 c 4 d
ZMPOP 2 nokey z MIN
ZMPOP 1 z MAX COUNT 2
BZPOPMIN nokey z 0
BZPOPMIN z 0.01
ZADD z 1 a 2 b 3 c 4 d
BZMPOP 0 1 z MAX COUNT 2
BZPOPMAX z 0
ZREMRANGEBYSCORE z -inf +inf
ZADD z 1 a 2 b 3 c
ZREMRANGEBYRANK z 0 -1
ZADD z 0 a 0 b
ZREMRANGEBYLEX z - +
ZADD y 1 a 2 b
ZADD z 1 b 2 c
ZUNIONSTORE d 2 z y
ZUNIONSTORE d 3 z nokey y
ZINTERSTORE d 2 z y
ZINTERSTORE d 2 z nokey
ZINTERSTORE d 2 z nokey
ZDIFFSTORE d 2 z y
ZDIFFSTORE d 2 z z
ZUNIONSTORE z 2 z y
ZRANGESTORE d z 0 1
ZRANGESTORE d z 0 0
ZRANGESTORE d z 5 6
ZRANGESTORE d z 5 6
ZRANGESTORE d nokey 0 1
ZRANGESTORE d z (0 5 BYSCORE LIMIT 0 1
ZUNION 2 nokey z
ZINTER 2 z nokey
ZDIFF 2 nokey z
ZINTERCARD 2 nokey z
ZSCORE nokey a
ZMSCORE nokey a b
ZRANK nokey a
ZREVRANK nokey a
ZCARD nokey
ZCOUNT nokey 0 1
ZLEXCOUNT nokey - +
ZRANGE nokey 0 1
ZREVRANGE nokey 0 1
ZRANGEBYSCORE nokey 0 1
ZRANGEBYLEX nokey - +
ZRANDMEMBER nokey
ZSCAN nokey 0
SET str x
ZUNIONSTORE str 1 z
SET str x
ZADD str 1 a
DEL z y d str
"""

GEO = """
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOADD g 13.361389 38.115556 Palermo
GEOADD g XX 13.5 38 Palermo
GEOADD g NX 13.5 38 Palermo
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST
GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 km
GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 km
GEOSEARCHSTORE d nokey FROMLONLAT 0 0 BYRADIUS 1 km
GEORADIUS g 15 37 200 km STORE d
GEORADIUS g 15 37 200 km STOREDIST d
GEORADIUS g 0 0 1 km STORE d
GEORADIUS nokey 0 0 1 km STORE d
GEORADIUS nokey 0 0 1 km
GEORADIUS_RO nokey 0 0 1 km
GEORADIUSBYMEMBER g Palermo 200 km STORE d
GEORADIUSBYMEMBER nokey Palermo 200 km STORE d
GEOPOS nokey a
GEODIST nokey a b
GEOHASH nokey a
GEOSEARCH nokey FROMLONLAT 0 0 BYRADIUS 1 km
DEL g d
"""

BITS = """
SETBIT b 7 1
SETBIT b 7 1
SETBIT b 7 0
SETBIT b 100 0
BITFIELD b SET u8 0 5
BITFIELD b SET u8 0 5
BITFIELD b GET u8 0
BITFIELD b INCRBY u8 0 1 GET u8 0 SET u8 8 9
BITFIELD b OVERFLOW FAIL INCRBY u2 100 9
BITFIELD b2 SET u8 0 0
BITFIELD b3 OVERFLOW FAIL INCRBY u2 100 9
BITFIELD nokey GET u8 0
BITFIELD_RO nokey GET u8 0
BITOP AND d b b2
BITOP OR d b nokey
BITOP NOT d b
BITOP XOR d nokey nokey2
BITOP XOR d nokey nokey2
BITCOUNT nokey
BITPOS nokey 1
GETBIT nokey 1
GETBIT b 1
PFADD p a b c
PFADD p a
PFADD p
PFADD p2
PFADD p2
PFCOUNT p
PFCOUNT p p2 nokey
PFCOUNT nokey
PFMERGE p3 p p2
PFMERGE p3 p nokey
PFMERGE p3
PFMERGE p4
DEL b b2 b3 d p p2 p3 p4
"""

STRINGS = """
SET k v
SET k v EX 100
SET k v NX
SET k v XX
SET k v KEEPTTL
SET k v GET
SET new v GET
SET new2 v NX GET
SET new2 w NX GET
SET nokey v XX
SET nokey v XX GET
SETNX k v
SETNX new3 v
SETEX k 100 v
PSETEX k 100000 v
GETSET k w
GETSET new4 w
MSET k 1 new5 2 k 3
MSETNX k 1 new6 2
MSETNX new6 1 new7 2
INCR n
INCRBY n 5
DECR n
DECRBY n 5
INCRBYFLOAT n 1.5
INCR new
APPEND k x
APPEND new8 x
SETRANGE k 1 x
SETRANGE k 1 ""
SETRANGE new9 2 x
SETRANGE new10 2 ""
GETEX k
GETEX k EX 100
GETEX k PERSIST
GETEX k PERSIST
GETEX nokey EX 100
GETEX k PXAT 1
GETDEL new
GETDEL nokey
GET nokey
MGET nokey new2 nokey2
STRLEN nokey
GETRANGE nokey 0 1
SUBSTR nokey 0 1
LCS nokey new2
LCS nokey new2 LEN
DEL new2 new3 new4 new5 new6 new7 new8 new9 n
"""

KEYS = """
SET k v
RPUSH l 3 1 2
SADD s 1 2
DEL nokey
UNLINK nokey
RENAME k k2
RENAME k2 k2
RENAME nokey k
RENAMENX k2 k
RENAMENX k l
RENAME k l
RPUSH l2 1 2
COPY l l3
COPY l l3
COPY l2 l3 REPLACE
COPY nokey l4
COPY l l DB 3
COPY l l DB 3 REPLACE
MOVE l3 3
MOVE l3 3
MOVE nokey 3
EXPIRE l 100
EXPIRE l 50 GT
EXPIRE l 200 NX
EXPIRE nokey 10
PEXPIRE l 100000
EXPIREAT l 99999999999
PEXPIREAT l 99999999999000
PERSIST l
PERSIST l
PERSIST nokey
EXPIRE l2 -1
EXPIRE s 0
RPUSH q 3 1 2
SORT q
SORT q STORE d
SORT q STORE d
SORT nokey STORE d
SORT nokey STORE d
SORT nokey
SORT_RO nokey
SORT q BY w_* GET d_* GET # STORE d
SORT q BY w_*
SORT q BY nosort STORE q
SORT q BY w_*->f GET d_*->f
EXISTS nokey q
TTL nokey
PTTL nokey
EXPIRETIME nokey
PEXPIRETIME nokey
TYPE nokey
TOUCH nokey q
OBJECT ENCODING nokey
OBJECT FREQ nokey
MEMORY USAGE nokey
DUMP nokey
SCAN 0 COUNT 1000 MATCH nothing
~RANDOMKEY
RESTORE r 0 %s
RESTORE r 0 %s
RESTORE r 0 %s REPLACE
RESTORE r 100000 %s REPLACE
RESTORE r 1 %s REPLACE ABSTTL
RESTORE r2 1 %s ABSTTL
WATCH nokey
UNWATCH
FLUSHDB
SELECT 3
SET k v
DEL k l l3
SELECT 0
SWAPDB 0 3
SWAPDB 0 3
"""

EXPIRY = """
SET k v PX 1
RPUSH l 1
PEXPIRE l 1
SADD s 1
PEXPIRE s 1
sleep
GET k
LPUSH l 2
SMEMBERS s
SET k v PX 1
SET k2 v PX 1
HSET h a 1
PEXPIRE h 1
sleep
TTL k
DEL k2
HGET h a
SET k v PX 1
sleep
SET k w
SET k v PX 1
sleep
INCR k
DEL k l
"""

# Arguments that are wrong are told before anybody looks for the key.
ERRORS = """
LRANGE nokey a b
ZRANGE nokey a b
GETRANGE nokey a b
HRANDFIELD nokey x
ZADD nokey x a
HINCRBY nokey f x
SETBIT nokey -1 1
LINDEX nokey x
SRANDMEMBER nokey x
ZRANGEBYSCORE nokey a b
ZUNIONSTORE d x nokey
ZUNIONSTORE d 1 nokey FOO
ZUNION 1 nokey FOO
BITPOS nokey 2
GEOSEARCH nokey FROMLONLAT 0 0 BYRADIUS 1 x
SORT nokey FOO
GETEX nokey EX x
LPOP nokey x
SPOP nokey x
LMPOP 0 nokey LEFT
EXPIRE nokey x
"""

OWN = """
own: SET k v
own: LPUSH l a b
own: LPOP l
own: RPUSH l a
own: LSET l 0 x
own: LINSERT l BEFORE x y
own: LTRIM l 0 0
own: LREM l 0 y
own: RPUSH l 1 2
own: LMOVE l m LEFT LEFT
own: RPOPLPUSH l m
own: LREM m 0 1
own: SADD s a
own: SADD t b
own: SMOVE s t a
own: SUNIONSTORE u t
own: SDIFFSTORE u t t
own: SUNIONSTORE u t
own: SINTERSTORE u t nokey
own: SUNIONSTORE u t
own: SADD t2 1
own: SINTERSTORE u t t2
own: SREM t a
own: SPOP t
own: SADD t a
own: SPOP t 2
own: HSET h f 1
own: HSETNX h g 1
own: HINCRBY h f 1
own: HINCRBYFLOAT h f 1
own: HDEL h f
own: ZADD z 1 a 2 b
own: ZINCRBY z 1 a
own: ZREM z a
own: ZREMRANGEBYRANK z 0 -1
own: ZADD z 1 a 2 b
own: ZUNIONSTORE y 1 z
own: ZRANGESTORE y z 0 0
own: ZRANGESTORE y z 9 9
own: ZINTERSTORE y 1 z
own: ZDIFFSTORE y 2 z z
own: GEOSEARCHSTORE y z FROMLONLAT 0 0 BYRADIUS 1 km
own: ZINTERSTORE y 1 z
own: GEOSEARCHSTORE y nokey FROMLONLAT 0 0 BYRADIUS 1 km
own: SETBIT b 1 1
own: BITOP NOT c b
own: PFADD p a
own: PFMERGE q p
own: GEOADD g 1 1 a
own: GEORADIUS g 1 1 1 km STORE y
own: SORT m STORE o
own: SETEX k 100 v
own: GETSET k w
own: GETEX k EX 100
own: GETDEL k
own: INCR n
own: INCRBYFLOAT n 1
own: APPEND n 1
own: SETRANGE n 0 1
own: MSET a 1 b 2
own: EXPIRE a 100
own: PEXPIRE b -1
own: SET b 1 EX 100
own: SETNX nx 1
own: MSETNX nx2 1 nx3 2
own: GETEX b PERSIST
own: GETEX b PXAT 1
own: SORT nokey STORE o
own: BITOP NOT c nokey
own: LPOP m 1
own: RPUSH m 1 2
own: LMPOP 1 m LEFT
own: BLPOP m 0
own: BITFIELD c SET u8 0 1
own: RENAMENX nx nx4
own: RESTORE r 0 %s
own: PERSIST a
own: RENAME a a2
own: COPY a2 a3
own: MOVE a3 3
own: UNLINK a2 b
"""


class Side:
    """One of the servers, its subscriber and its clients."""

    def __init__(self, s):
        self.s = s
        self.main, self.waiter, self.sub, self.own = (s.connect() for _ in range(4))
        self.sub.command("PSUBSCRIBE", "__key*")
        self.own.command("HELLO", "3")
        self.own_subscribed = False
        self.must("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def must(self, *words):
        r = self.main.command(*words)
        if r.kind == "error":
            raise SystemExit("%r: %r" % (words, r.value))

    def events(self):
        """What the subscriber was told so far."""
        self.sub.send([b"PING"])
        out = []
        while True:
            r = self.sub.read()
            if r.kind == "array" and r.value[0].value == b"pong":
                return out
            out.append((r.value[2].value, r.value[3].value))

    def run_own(self, words):
        """The replies and pushes that a subscriber gets for its own command, up to those of a PING."""
        if not self.own_subscribed:
            self.own.command("PSUBSCRIBE", "__keyevent*")
            self.own_subscribed = True
        self.own.send(words)
        self.own.send([b"PING", b"end"])
        out = []
        while True:
            r = self.own.read()
            if r.kind == "bulk" and r.value == b"end":
                return out
            out.append("\n".join(resp.show(r)))


def blocked(side, n):
    end = time.monotonic() + server.WAIT_S
    while time.monotonic() < end:
        if b"blocked_clients:%d\r" % n in side.main.command("INFO", "clients").value:
            return
        time.sleep(0.005)
    raise SystemExit("nobody waits")


def differ(line, what, wanted, got):
    raise SystemExit("%s: %s\nredis-server %r\nours         %r" % (line, what, wanted, got))


def run_line(side, line, waiting):
    """What is to be the same: the reply, or None, and the events."""
    words = resp.split_args(line.split(": ", 1)[-1].lstrip("~"))
    reply = None
    if line.startswith("a: "):
        side.waiter.send(words)
        blocked(side, 1)
    elif line.startswith("own: "):
        reply = side.run_own(words)
    else:
        reply = "\n".join(resp.show(side.main.command(*words)))
    if waiting:
        reply += "\n".join(resp.show(side.waiter.read()))
    return None if line.startswith("~") else reply, side.events()


def run_script(sides, script):
    waiting = False
    for line in script.strip().split("\n"):
        if line == "sleep":
            time.sleep(0.01)
            continue
        redis, ours = (run_line(s, line, waiting) for s in sides)
        waiting = line.startswith("a: ")
        if redis[1] != ours[1]:
            differ(line, "the events", redis[1], ours[1])
        if redis[0] != ours[0]:
            differ(line, "the replies", redis[0], ours[0])


def run_blocks(sides, script, size):
    """The same commands in transactions of several. Replies of chance make the others incomparable."""
    lines = [x.lstrip("~") for x in script.strip().split("\n") if not x.startswith(("WATCH", "UNWATCH"))]
    for i in range(0, len(lines), size):
        block = ["MULTI"] + lines[i : i + size] + ["EXEC"]
        redis, ours = ([run_line(s, x, False)[1] for x in block][-1] for s in sides)
        if redis != ours:
            differ("; ".join(block), "the events", redis, ours)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    args = parser.parse_args()
    server.install_signal_handlers()
    with server.Server("redis-server") as redis, server.Server(args.server) as ours:
        sides = Side(redis), Side(ours)
        dump = None
        for side in sides:
            side.must("RPUSH", "dumped", "1", "2")
            dump = dump or resp.quote(side.main.command("DUMP", "dumped").value)
            side.must("DEL", "dumped")
        scripts = [HASHES, SETS, LISTS, ZSETS, GEO, BITS, STRINGS, KEYS.replace("%s", dump)]

        def flags(text):
            for side in sides:
                side.must("FLUSHALL")
                side.must("CONFIG", "SET", "notify-keyspace-events", text)

        for text in ("KEA", "KEAmn"):
            flags(text)
            for script in scripts + [BLOCKED, EXPIRY, ERRORS]:
                run_script(sides, script)
        for size in (3, 7):
            flags("KEAn")
            for script in scripts:
                run_blocks(sides, script, size)
        for text in "Kg", "E$", "Klz", "Esh", "Egx", "E", "Kn":
            flags(text)
            for script in scripts[:4] + [KEYS.replace("%s", dump)]:
                run_script(sides, script)
        flags("EA")
        run_script(sides, OWN.replace("%s", dump))
        problem = ours.health()
        if problem:
            raise SystemExit(problem)
    print("the same events")


if __name__ == "__main__":
    main()
