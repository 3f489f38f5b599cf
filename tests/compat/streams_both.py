#!/usr/bin/env python3
"""Made-up commands on all types, right and wrong ones, sent to redis-server and to ours: the same replies, the same keys.

    streams_both.py --server 'build/skep --workers 2' [--seed N] [--commands N] [--only SETS,SORTED]
"""

import argparse
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402
from both import READ  # noqa: E402

# A row a command. ( | ) one of these, [ ] or nothing, { } several times. $ and a letter is made up:
#   s l h S z g e  a key that holds a string, list, hash, set, sorted set, places, names of one score;  k any other key;  K a number of keys and the keys of
#   the kind that follows ($Kz);  f a field or member, v a value, n an integer, d a float, i an index, c a count, b a bound of
#   scores, x one of names, p a pattern, T a moment far away, lo la a place
ROWS = {
    "STRINGS": """
SET $s $v [(NX|XX|GET|KEEPTTL|PXAT $T|EX (100000|0|-1|x))] [GET]
SETNX $s $v
GET $s
GETSET $s $v
GETDEL $s
GETEX $s [(PERSIST|PXAT $T|EXAT 99999999999)]
GETRANGE $s $i $i
SUBSTR $s $i $i
SETRANGE $s $i $v
STRLEN $s
APPEND $s $v
INCR $s
DECR $s
INCRBY $s $n
DECRBY $s $n
INCRBYFLOAT $s $d
MGET {$s}
MSET {$s $v}
MSETNX {$s $v}
LCS $s $s [(LEN|IDX|IDX MINMATCHLEN $c|IDX WITHMATCHLEN)]
""",
    "KEYS": """
DEL {$k}
UNLINK {$k}
EXISTS {$k}
TOUCH {$k}
TYPE $k
RENAME $k $k
RENAMENX $k $k
COPY $k $k [REPLACE] [DB (0|1)]
MOVE $k (1|2)
EXPIRE $k (100000|0|-5|x) [(NX|XX|GT|LT)]
PEXPIREAT $k $T [(NX|XX|GT|LT|NX GT)]
EXPIREAT $k 99999999999 [(NX|XX|GT|LT)]
PERSIST $k
EXPIRETIME $k
DBSIZE
KEYS $p
SCAN 0 COUNT 100000 [MATCH $p] [TYPE (string|list|set|zset|hash|stream|x)]
SORT ($l|$S|$e) [LIMIT $i $c] [{GET (#|w*|h*->f|$p)}] [(ASC|DESC)] ALPHA [STORE $l]
SORT ($l|$S|$e) BY (nosort|w*|h*->f|$p) [{GET (#|w*|h*->f|$p)}] [(ASC|DESC)] [ALPHA]
SORT_RO ($l|$S|$e) [BY (nosort|w*)] [LIMIT $i $c] [GET #] [DESC] ALPHA
SET w$f $n
HSET h$f f $n
SELECT (0|0|0|1|2|99|x)
""",
    "LISTS": """
LPUSH $l {$v}
RPUSH $l {$v}
LPUSHX $l {$v}
RPUSHX $l {$v}
LPOP $l [$c]
RPOP $l [$c]
LLEN $l
LRANGE $l $i $i
LINDEX $l $i
LSET $l $i $v
LINSERT $l (BEFORE|AFTER|x) $v $v
LREM $l $i $v
LTRIM $l $i $i
LPOS $l $v [RANK (1|-1|2|-3|0|x)] [COUNT $c] [MAXLEN $c]
LMOVE $l $l (LEFT|RIGHT) (LEFT|RIGHT)
RPOPLPUSH $l $l
LMPOP $Kl (LEFT|RIGHT) [COUNT $c]
BLPOP $l $l (0.001|x|-1)
BRPOP $l (0.001|1e400)
BLMOVE $l $l (LEFT|RIGHT) (LEFT|RIGHT) 0.001
BRPOPLPUSH $l $l 0.001
BLMPOP 0.001 $Kl LEFT [COUNT $c]
""",
    "HASHES": """
HSET $h {$f $v}
HMSET $h {$f $v}
HSETNX $h $f $v
HGET $h $f
HMGET $h {$f}
HGETALL $h
HKEYS $h
HVALS $h
HLEN $h
HSTRLEN $h $f
HEXISTS $h $f
HDEL $h {$f}
HINCRBY $h $f $n
HINCRBYFLOAT $h $f $d
HRANDFIELD $h [$i [WITHVALUES]]
HSCAN $h 0 COUNT 100000 [MATCH $p]
""",
    "SETS": """
SADD $S {(|$f|$n|$v)}
SREM $S {(|$f|$n)}
SISMEMBER $S (|$f|$n)
SMISMEMBER $S {(|$f|$n)}
SMEMBERS $S
SCARD $S
SPOP $S [$c]
SRANDMEMBER $S [$i]
SMOVE $S $S (|$f|$n)
SINTER {$S}
SUNION {$S}
SDIFF {$S}
SINTERSTORE $S {$S}
SUNIONSTORE $S {$S}
SDIFFSTORE $S {$S}
SINTERCARD $KS [LIMIT $c]
SSCAN $S 0 COUNT 100000 [MATCH $p]
""",
    "SORTED": """
ZADD $z [(NX|XX)] [(GT|LT)] [CH] {$d $f}
ZADD $z [(NX|XX|GT|LT)] [CH] INCR $d $f
ZINCRBY $z $d $f
ZREM $z {$f}
ZSCORE $z $f
ZMSCORE $z {$f}
ZCARD $z
ZCOUNT $z $b $b
ZADD $e {0 $f}
ZREM $e {$f}
ZLEXCOUNT $e $x $x
ZRANK $z $f
ZREVRANK $z $f
ZRANGE $z $i $i [REV] [WITHSCORES]
ZRANGE $z $b $b BYSCORE [REV] [LIMIT $i $i] [WITHSCORES]
ZRANGE $e $x $x BYLEX [REV] [LIMIT $i $i]
ZREVRANGE $z $i $i [WITHSCORES]
ZRANGEBYSCORE $z $b $b [WITHSCORES] [LIMIT $i $i]
ZREVRANGEBYSCORE $z $b $b [WITHSCORES] [LIMIT $i $i]
ZRANGEBYLEX $e $x $x [LIMIT $i $i]
ZREVRANGEBYLEX $e $x $x [LIMIT $i $i]
ZRANGESTORE $z $z $i $i [REV]
ZRANGESTORE $z $z $b $b BYSCORE [REV] [LIMIT $i $i]
ZRANGESTORE $z $e $x $x BYLEX [LIMIT $i $i]
ZREMRANGEBYRANK $z $i $i
ZREMRANGEBYSCORE $z $b $b
ZREMRANGEBYLEX $e $x $x
ZPOPMIN $z [$c]
ZPOPMAX $z [$c]
ZMPOP $Kz (MIN|MAX) [COUNT $c]
ZRANDMEMBER $z [$i [WITHSCORES]]
ZUNION $Kz [WEIGHTS {$d}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZINTER $Kz [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZDIFF $Kz [WITHSCORES]
ZUNIONSTORE $z $Kz [WEIGHTS {$d}] [AGGREGATE (SUM|MIN|MAX)]
ZINTERSTORE $z $Kz [WEIGHTS {$d}] [AGGREGATE (SUM|MIN|MAX)]
ZUNIONSTORE $z 2 $S $z
ZDIFFSTORE $z $Kz
ZINTERCARD $Kz [LIMIT $c]
ZSCAN $z 0 COUNT 100000 [MATCH $p]
BZPOPMIN $z $z 0.001
BZPOPMAX $z 0.001
BZMPOP 0.001 $Kz MIN [COUNT $c]
GEOADD $g [(NX|XX)] [CH] {$lo $la $f}
GEODIST $g $f $f [(m|km|ft|mi|x)]
GEOPOS $g {$f}
GEOHASH $g {$f}
GEOSEARCH $g (FROMMEMBER $f|FROMLONLAT $lo $la) (BYRADIUS 3000 km|BYBOX 3000 2000 km) [(ASC|DESC)] [COUNT $c [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]
GEOSEARCHSTORE $z $g (FROMMEMBER $f|FROMLONLAT $lo $la) (BYRADIUS 3000 km|BYBOX 3000 2000 km) [STOREDIST]
GEORADIUS $g $lo $la 2000 km [WITHDIST] [(ASC|DESC)] [STORE $z]
GEORADIUSBYMEMBER $g $f 2000 km [WITHCOORD] [ASC]
""",
}
OPEN, CLOSE = "([{", ")]}"
TOKENS = re.compile(r"[()\[\]{}|]|[^\s()\[\]{}|]+")


def parse(tokens, end=None):
    """Alternatives of sequences: words, and (bracket, alternatives)."""
    found = [[]]
    while tokens:
        t = tokens.pop(0)
        if t == end:
            break
        if t == "|":
            found.append([])
        elif t in OPEN:
            found[-1].append((t, parse(tokens, CLOSE[OPEN.index(t)])))
        else:
            found[-1].append(t)
    return found


def table(only):
    names = [n for n in ROWS if not only or n in only]
    return [parse(TOKENS.findall(line))[0] for n in names for line in ROWS[n].strip().splitlines()]


# No words of these are exchanged: they have got options since 7.0, or might wait for long.
SPARED = {"ZRANK", "ZREVRANK", "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"}


class Maker:
    def __init__(self, rnd, now_ms):
        self.rnd, self.now_ms = rnd, now_ms

    def key(self, kind):
        if kind == "k" or kind != "e" and self.rnd.random() < 0.03:
            kind = self.rnd.choice("slhSzg")
        return "%s%d" % (kind, self.rnd.randrange(5))

    def keys(self, kind):
        n = self.rnd.randrange(1, 4)
        told = n if self.rnd.random() < 0.97 else self.rnd.choice((0, -1, n + 1, "x"))
        return [str(told)] + [self.key(kind) for _ in range(n)]

    def value(self):
        rnd = self.rnd
        return rnd.choice((self.word(), self.word(), self.integer(), self.float(), "", "v" * rnd.choice((40, 44, 45, 64, 65, 700, 9000))))

    def word(self):
        return self.rnd.choice("abcdefgh") * self.rnd.choice((1, 1, 1, 2, 3, 70))

    def integer(self):
        rnd = self.rnd
        return str(rnd.choice((rnd.randrange(-9, 20), rnd.randrange(10**6), 2**63 - 1, -(2**63), 2**31, 2**15, -129))
                   if rnd.random() < 0.97 else rnd.choice(("x", "1.5", "", "9223372036854775808", " 1", "+1", "01")))  # fmt: skip

    def float(self):
        rnd = self.rnd
        return rnd.choice((str(rnd.randrange(-5, 9)), "%.2f" % rnd.uniform(-9, 9), "0.1", "3.0e3", "1e20", "-1.5", "2.5", "17")
                          if rnd.random() < 0.95 else ("inf", "-inf", "nan", "x", "", "1e400", "0x10", "1e-300", "-0"))  # fmt: skip

    def index(self):
        return self.integer() if self.rnd.random() < 0.03 else str(self.rnd.randrange(-12, 14))

    def count(self):
        return self.integer() if self.rnd.random() < 0.05 else str(self.rnd.randrange(0, 8))

    def bound(self):
        rnd = self.rnd
        return rnd.choice(("-inf", "+inf", "inf", "(" + self.float(), self.float(), self.float(), self.float(), "(1", "("))

    def name_bound(self):
        return self.rnd.choice(("-", "+", "[" + self.word(), "(" + self.word(), "[" + self.word(), "[", self.word()))

    def pattern(self):
        return self.rnd.choice(("*", "*", "[a-d]*", "?", "s?", "*1", "h[^1]", "\\*", "aa*", "w*->f", "nothing"))

    def made(self, what):
        kind = what[1:]
        if kind in ("lo", "la"):
            return ["%.3f" % self.rnd.uniform(-20, 20)] if self.rnd.random() < 0.95 else [self.float()]
        if kind[0] == "K":
            return self.keys(kind[1])
        if kind[0] in "slhSzgek":
            return [self.key(kind)]
        makers = {
            "f": self.word,
            "v": self.value,
            "n": self.integer,
            "d": self.float,
            "i": self.index,
            "c": self.count,
            "b": self.bound,
            "x": self.name_bound,
            "p": self.pattern,
            "T": lambda: str(self.now_ms + self.rnd.choice((10**8, 2 * 10**8, 3 * 10**9))),
        }
        return [makers[kind]()]

    def expand(self, sequence):
        out = []
        for item in sequence:
            if isinstance(item, tuple):
                bracket, choices = item
                times = 1 if bracket == "(" else self.rnd.randrange(2) if bracket == "[" else self.rnd.randrange(1, 5)
                for _ in range(times):
                    out += self.expand(self.rnd.choice([c for c in choices if c] if bracket == "(" else choices))
            elif item.startswith("$"):
                out += self.made(item)
            elif "$f" in item:
                out.append(item.replace("$f", self.word()))
            else:
                out.append(item)
        return out

    def command(self, rows):
        words = self.expand(self.rnd.choice(rows))
        if self.rnd.random() < 0.02 and len(words) > 1 and words[0] not in SPARED:  # a word too few, too many, or another
            at = self.rnd.randrange(1, len(words))
            words[at : at + self.rnd.randrange(2)] = self.rnd.choice(([], [self.value()], ["LIMIT"], ["0"]))
        return words


# ---- comparing ----

UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "KEYS"}
PAIRED = {"HGETALL"}
SCANS = {"SCAN", "HSCAN", "SSCAN", "ZSCAN"}
CHANCE = {"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"}


def plain(r):
    """A reply as a comparable value."""
    if r.kind == "map":
        return (r.kind, tuple((plain(a), plain(b)) for a, b in r.value))
    if isinstance(r.value, list):
        return (r.kind, tuple(plain(v) for v in r.value))
    return (r.kind, r.value)


def in_pairs(values):
    return tuple(sorted(zip(values[::2], values[1::2])))


def judged(words, r):
    name, seen = words[0], plain(r)
    kind, value = seen
    if kind == "error":
        return (kind, value[:200])  # ours cuts off what it repeats of a long word
    if not isinstance(value, tuple):
        return (kind, None) if name in CHANCE and kind == "bulk" else seen
    if name in ("SORT", "SORT_RO") and "BY" in words:  # many weights are the same, or missing
        return (kind, len(value)) if "LIMIT" in words else (kind, tuple(sorted(value)))
    if name in UNORDERED:
        return (kind, tuple(sorted(value)))
    if name in CHANCE:
        return (kind, len(value))
    if name in PAIRED:
        return (kind, tuple(sorted(value)) if kind == "map" else in_pairs(value))
    if name in SCANS and len(value) == 2:
        items = value[1][1]
        return (kind, in_pairs(items) if name in ("HSCAN", "ZSCAN") else tuple(sorted(items)))
    if name in ("GEOSEARCH", "GEORADIUS", "GEORADIUSBYMEMBER") and not {"ASC", "DESC"} & set(words):
        return (kind, len(value)) if "ANY" in words else (kind, tuple(sorted(value)))
    return seen


def state(conn, sorts):
    """Every key with its type, encoding, value, and when it expires, to ten seconds. sorts: there were SORTs, each of which
    makes a sorted set into a skiplist in redis-server."""
    seen = {}
    for db in range(3):
        conn.command("SELECT", db)
        for key in sorted(k.value for k in conn.command("KEYS", "*").value):
            kind = conn.command("TYPE", key).value.decode()
            if kind == "none":
                continue
            words = READ[kind](key)
            # Lists and sets have got further encodings since 7.0.
            same = kind not in ("set", "list") and (kind != "zset" or not sorts)
            encoding = conn.command("OBJECT", "ENCODING", key).value if same else None
            expires = int(conn.command("PEXPIRETIME", key).value)
            seen[db, key] = (kind, encoding, judged(words, conn.command(*words)), round(expires / 10000))
    return seen


class Both:
    def __init__(self, ours, redis, rnd, sorts):
        self.ours, self.redis, self.rnd, self.sorts = ours, redis, rnd, sorts
        self.history = []

    def fail(self, words, ours, redis):
        key = words[1][1].decode() if words[0] == "key" else None
        for line in [h for h in self.history if not key or key in h or h[0] in ("EXEC", "CONFIG", "SELECT")][-12:]:
            print("   %s" % " ".join(repr(w) if len(w) < 90 else "%r...(%d)" % (w[:9], len(w)) for w in line))
        raise SystemExit("%r\n  redis %.2000r\n  ours  %.2000r" % (words, redis, ours))

    def follow_pop(self, words, ours):
        """Which members SPOP takes is chance: redis-server removes those that ours has."""
        taken = ours.value if isinstance(ours.value, list) else [ours]
        members = [m.value for m in taken if m.kind == "bulk"]
        gone = self.redis.command("SREM", words[1], *members) if members else None
        if gone and int(gone.value) != len(members):
            self.fail(words, plain(ours), "not all of these")

    def ask(self, words):
        self.history.append(words)
        if words[0] == "SPOP":
            card = self.redis.command("SCARD", words[1])
            right = len(words) == 2 or len(words) == 3 and re.fullmatch(r"[0-7]", words[2])
            if card.kind == "int" and right:
                wanted = min(int(words[2]) if len(words) == 3 else 1, int(card.value))
                ours = self.ours.command(*words)
                got = len(ours.value) if isinstance(ours.value, list) else int(ours.kind == "bulk")
                if got != wanted:
                    self.fail(words, plain(ours), "%d members" % wanted)
                return self.follow_pop(words, ours)
            if right or len(words) == 3:
                return None
        a, b = self.ours.command(*words), self.redis.command(*words)
        if judged(words, a) != judged(words, b):
            self.fail(words, plain(a), plain(b))
        return None

    def multi(self, maker, rows):
        for conn in (self.ours, self.redis):
            conn.command("MULTI")
        queued = [w for w in (maker.command(rows) for _ in range(self.rnd.randrange(1, 7)))
                  if w[0] not in CHANCE | {"SPOP", "SELECT"} and "1e400" not in w]  # fmt: skip
        for words in queued:
            self.ask(words)
        self.history.append(["EXEC"])
        a, b = self.ours.command("EXEC"), self.redis.command("EXEC")
        if a.kind != b.kind or a.kind != "array" and plain(a) != plain(b):
            self.fail(queued, plain(a), plain(b))
        for words, x, y in zip(queued, a.value, b.value) if a.kind == "array" else ():
            if judged(words, x) != judged(words, y):
                self.fail(queued + [words], plain(x), plain(y))

    def compare(self):
        ours, redis = state(self.ours, self.sorts), state(self.redis, self.sorts)
        for k in sorted(set(ours) | set(redis)):
            if ours.get(k) != redis.get(k):
                self.fail(["key", k], ours.get(k), redis.get(k))
        for conn in (self.ours, self.redis):
            conn.command("SELECT", 0)
        return len(ours)


LIMITS = ("hash-max-listpack-entries", "hash-max-listpack-value", "zset-max-listpack-entries", "zset-max-listpack-value",
          "set-max-intset-entries", "list-max-listpack-size")  # fmt: skip


def run(both, maker, rows, commands, every):
    rnd = both.rnd
    for n in range(commands):
        if rnd.random() < 0.04:
            both.multi(maker, rows)
        elif rnd.random() < 0.01:
            both.ask(["CONFIG", "SET", rnd.choice(LIMITS), str(rnd.choice((2, 4, 8, 64, 128)))])
        elif rnd.random() < 0.001:
            both.ask(["FLUSHALL"])
        elif rnd.random() < 0.01:
            both.history.append(["HELLO"])
            version = rnd.choice("23")
            for conn in (both.ours, both.redis):
                conn.command("HELLO", version)
        else:
            both.ask(maker.command(rows))
        if n % every == every - 1:
            both.compare()
    return both.compare()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", required=True)
    ap.add_argument("--seed", type=int, default=random.randrange(10**9))
    ap.add_argument("--commands", type=int, default=5000)
    ap.add_argument("--only", default="")
    ap.add_argument("--every", type=int, default=250, help="after how many commands all keys are compared")
    args = ap.parse_args()
    print("seed %d" % args.seed)
    rnd = random.Random(args.seed)
    rows = table([n for n in args.only.split(",") if n])
    with server.Server(args.server) as ours, server.Server("redis-server") as redis:
        both = Both(ours.connect(), redis.connect(), rnd, any(r[0] == "SORT" for r in rows))
        now_ms = int(both.redis.command("TIME").value[0].value) * 1000
        print("%d keys agree" % run(both, Maker(rnd, now_ms), rows, args.commands, args.every))
        answer = both.ours.command("DEBUG", "ARENA", "CHECK")
        if answer.kind == "error":
            raise SystemExit("DEBUG ARENA CHECK: %r" % answer.value)


if __name__ == "__main__":
    main()
