#!/usr/bin/env python3
"""Redis's files, sound, cut and damaged: `load_files.py SCENARIO build/tests/load_dir`.

redis-server writes the files, loads them again, and says what is in them; our loaders must have found the same. What is
cut or damaged has an outcome that follows from where: commands that are whole count, and everything else is refused.
"""

import hashlib
import os
import random
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import Failed, Folder, Redis, command, expect, main, read, same_keys  # noqa: E402

FUTURE_MS = int(time.time() * 1000) + 3600 * 1000


def rnd(n, seed=1):
    return random.Random(seed).randbytes(n)


# ---- RDB ----


def all_shapes():
    """Strings in each of their forms, as commands."""
    values = [b"", b"0", b"-1", b"12", b"127", b"128", b"-129", b"32768", b"-70000", b"2147483647", b"2147483648"]
    values += [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"007", b"-0", b" 1", b"3.0e10"]
    values += [b"x" * n for n in (1, 11, 19, 20, 21, 44, 45, 63, 64, 255, 256, 4096, 4097, 16383, 16384, 70000)]
    values += [rnd(n) for n in (44, 45, 4096, 4097, 300000)]
    values += [rnd(100) * 4000, b"\x00\xff" * 30, b"\r\n$3\r\n"]
    out = [command("SET", "shape:%d" % i, v) for i, v in enumerate(values)]
    names = [b"", b"5", b"-77", b"123456", b"9223372036854775807", b"a" * 254, b"a" * 255, b"a" * 256, b"b" * 70000]
    names += [rnd(300, 2), b"\x00", b"key with spaces", b"c" * 300000]
    out += [command("SET", n, b"of %d" % len(n)) for n in names]
    out += [command("SET", "grown", "x"), command("APPEND", "grown", "y"), command("SETRANGE", "ranged", 3, "z")]
    out += [command("INCRBYFLOAT", "float", "1.5"), command("SET", "ttl", 7, "PXAT", FUTURE_MS)]
    out += [command("SET", "ttl:long", "v" * 5000, "PXAT", FUTURE_MS + 1), command("SET", "gone", 1, "PX", 1)]
    for db in (3, 15, 9):
        out += [command("SELECT", db)] + [command("SET", "in:%d:%d" % (db, i), i * i) for i in range(300)]
    return out + [command("SELECT", 0)] + [command("SET", "many:%d" % i, rnd(i % 90, i)) for i in range(3000)]


def rdb(program):
    """All forms of strings, packed and not, with and without checksum, by one loader and by several."""
    for extra in ((), ("--rdbcompression", "no"), ("--rdbchecksum", "no")):
        with Redis(*extra) as r, Folder(program) as f:
            r.keep_expired()
            r.pipe(all_shapes())
            time.sleep(0.01)
            r.save(f.dir)
            with Redis(files={"dump.rdb": read(f.path("dump.rdb"))}) as again:
                wanted = again.keys()
            for loaders in (1, 2, 3, 7):
                got = f.loads(loaders=loaders)
                same_keys("%s with %d loaders" % (extra, loaders), wanted, got.keys)
                expect("expired", "1", got.words["rdb_expired"])
                expect("stored", str(len(wanted)), got.words["rdb_keys"])
                expect("needs_base", "0", got.words["needs_base"])


def crowded(program):
    """Small tables that several loaders make grow at once, again and again: the arena must be sound each time."""
    with Redis() as r, Folder(program) as f:
        for db in range(16):
            r.pipe([command("SELECT", db)] + [command("SET", "k%d" % i, i) for i in range(700)])
        r.save(f.dir)
        for i in range(60):
            expect("keys", "11200", f.loads(loaders=(2, 3, 5, 8)[i % 4], show="digest").words["keys"])


def crowded_types(program):
    """Collections that are to expire, put by several loaders at once: each takes memory more than once, and waits for others."""
    with Redis() as r, Folder(program) as f:
        words = []
        for i in range(1000):
            what, items = ((b"RPUSH", (b"a", b"b")), (b"SADD", (b"1", b"2")), (b"HSET", (b"f", b"v")), (b"ZADD", (b"1", b"m")))[i % 4]
            words += [command(what, b"k%d" % i, *items), command("PEXPIREAT", "k%d" % i, FUTURE_MS)]
        r.pipe(words)
        r.save(f.dir)
        for i in range(20):
            expect("keys", "1000", f.loads(loaders=(2, 3, 5, 8)[i % 4], show="digest").words["keys"])


def usage(program):
    """What the file says of the keys' use."""
    with Redis("--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", 0) as r, Folder(program) as f:
        r.do("SET", "used", "1")
        for _ in range(300):
            r.do("GET", "used")
        freq = int(r.do("OBJECT", "FREQ", "used"))
        r.save(f.dir)
        got = f.loads("maxmemory-policy", "allkeys-lfu")
        expect("frequency", freq, got.clocks[0, b"used"] & 0xFF)
    with Redis("--maxmemory-policy", "allkeys-lru") as r, Folder(program) as f:
        r.do("SET", "idle", "1")
        time.sleep(2.1)
        idle = int(r.do("OBJECT", "IDLETIME", "idle"))
        r.save(f.dir)
        got = f.loads("maxmemory-policy", "allkeys-lru")
        now = int(time.time()) & 0xFFFFFF
        found = now - got.clocks[0, b"idle"]
        if not idle <= found <= idle + 5 + 60:  # the loading may be slow, but the key is no younger than it was
            raise Failed("idle for %d s instead of %d" % (found, idle))


def rdb_types(program):
    """Collections of every type and size: redis-server says whether what was loaded is the same."""
    with Redis() as r, Folder(program) as f:
        names = {}
        for n in (1, 20, 200, 5000):
            numbers = [b"%d" % (i * 7 - 50) for i in range(n)]
            texts = [b"%d:" % i + rnd(i % 100, i) for i in range(n)]
            for kind, items in ((b"ints", numbers), (b"texts", texts), (b"long", [t * 80 for t in texts[:20]])):
                pairs = [x for pair in zip(items, reversed(items)) for x in pair]
                scored = [x for i, item in enumerate(items) for x in (b"%d" % (i % 77), item)]
                for what, words in ((b"RPUSH", items), (b"SADD", items), (b"HSET", pairs), (b"ZADD", scored)):
                    name = b"%s:%s:%d" % (what, kind, n)
                    names[0, name] = FUTURE_MS + n if n % 3 else -1
                    r.pipe([command(what, name, *words)])
                    if n % 3:
                        r.do("PEXPIREAT", name, FUTURE_MS + n)
        r.save(f.dir)
        for loaders in (1, 3):
            got = f.loads(loaders=loaders).keys
            expect("keys", sorted(names), sorted(got))
            for (db, name), (payload, expiry, _) in got.items():
                expect("the expiry of %r" % name, names[db, name], expiry)
                r.do("RESTORE", "back", max(expiry, 0), payload, "REPLACE", "ABSTTL")
                expect("the digest of %r" % name, *[v.value for v in r.do("DEBUG", "DIGEST-VALUE", name, "back")])
            r.do("DEL", "back")


def rdb_empty(program):
    """Redis once wrote collections without elements; they are passed over."""
    with Redis() as r, Folder(program) as f:
        r.do("SET", "a", "b")
        r.save(f.dir)
        text = read(f.path("dump.rdb"))
        at = text.index(b"\x00\x01a\x01b")
        f.write("dump.rdb", text[:at] + b"\x02\x05empty\x00" + text[at:-8] + b"\0" * 8)
        got = f.loads()
        expect("keys", {(0, b"a"): (b"b", -1, "embstr")}, got.keys)
        if "skipping empty key: empty" not in got.log:
            raise Failed("it went without a word: " + got.log)


def rdb_refused(program):
    """What cannot be loaded is refused by name."""
    with Redis() as r, Folder(program) as f:
        r.do("XADD", "k", "*", "f", "v")
        r.save(f.dir)
        f.refuses('Loading .*dump.rdb: the type stream of key "k" is not supported yet .at offset [0-9]+')
        data = read(f.path("dump.rdb"))
        at = data.index(b"\x13\x01k")
        module = b"\x81" + b"\x45\xe2R8\xdf\x91,\x03"
        for text, why in (
            (b"\x07\x01k" + module + b"\x05\x01x\0", 'the type of a module, ReJSON-RL of key "k" is not supported yet'),
            (b"\x06\x02\n'" + module, r'the type of a module, ReJSON-RL of key "\\n\'" is not supported yet'),
            (b"\xf7" + module + b"\x02\x01\x05\x01x\0", "the file holds data of the module 'ReJSON-RL', which nobody here"),
        ):
            f.write("dump.rdb", data[:at] + text + b"\xff" + bytes(8))
            f.refuses("Loading .*dump.rdb: " + why)
    with Redis("--databases", "20") as r, Folder(program) as f:
        r.pipe([command("SELECT", 19), command("SET", "a", "b")])
        r.save(f.dir)
        f.refuses("more than 16 databases")
        expect("keys", {(19, b"a"): (b"b", -1, "embstr")}, f.loads("databases", 20).keys)


def library(name, *functions):
    lines = ["redis.register_function('%s', function() return 1 end)" % f for f in functions]
    return "\n".join(["#!lua name=" + name] + lines)


def libraries_of(got):
    return {w[8:]: int(n) for w, n in got.words.items() if w.startswith("library_")}


def functions(program):
    """Libraries in RDB files and logs of redis-server's; those that are refused, with the reason."""
    with Redis() as r, Folder(program) as f:
        for name in ("one", "two", "three"):
            r.do("FUNCTION", "LOAD", library(name, *["%s_%d" % (name, i) for i in range(len(name))]))
        r.do("SET", "a", "b")
        r.save(f.dir)
        for loaders in (1, 3):
            got = f.loads(loaders=loaders)
            expect("libraries", {"one": 3, "two": 3, "three": 5}, libraries_of(got))
            expect("keys", {(0, b"a"): (b"b", -1, "embstr")}, got.keys)
        r.do("FUNCTION", "FLUSH")
        r.do("FUNCTION", "LOAD", library("lib", "f"))
        r.save(f.dir)
        data = read(f.path("dump.rdb"))
        at = data.rindex(b"\xf5", 0, data.index(b"#!lua"))  # not in the time that stands before it
        end = data.index(b"1 end)") + 6
        record = data[at:end]
        for text, why in (
            (b"\xf6\x03lib", "release candidates"),
            (record + record, "Library 'lib' already exists"),
            (record + record.replace(b"lib", b"bil"), "Function f already exists|Function 'f' already exists"),
            (record.replace(b"return", b"retur("), "Error compiling function: user_function:2"),
            (record.replace(b"register", b"repeat__"), "nonexistent global variable 'repeat___function'"),
            (record.replace(b"#!lua", b"#!lub"), "Engine 'lub' not found"),
            (record.replace(b"#!", b"--"), "Missing library metadata"),
            (b"\xf5\xc3\x05\x40\x40abcde", "Loading .*dump.rdb"),
            (b"\xf5\x80\x7f\xff\xff\xff", "Loading .*dump.rdb"),
        ):
            f.write("dump.rdb", data[:at] + text + data[end:-8] + bytes(8))
            f.refuses(why, loaders=2)
    with Redis("--appendonly", "yes", "--appendfsync", "always") as r, Folder(program) as f:
        r.do("FUNCTION", "LOAD", library("one", "f", "g"))
        r.do("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:0" not in r.do("INFO", "persistence"):
            time.sleep(0.02)
        r.do("FUNCTION", "LOAD", library("gone", "h"))
        r.do("FUNCTION", "LOAD", "REPLACE", library("one", "f", "g", "i"))
        r.do("FUNCTION", "DELETE", "gone")
        dump = r.do("FUNCTION", "DUMP")
        r.do("FUNCTION", "LOAD", library("flushed", "j"))
        r.do("FUNCTION", "RESTORE", dump, "FLUSH")
        r.do("FUNCTION", "LOAD", library("last", "k"))
        r.copy(f.dir)
        os.rename(f.path("dump.rdb"), f.path("other.rdb")) if os.path.exists(f.path("dump.rdb")) else None
        for loaders in (1, 3):
            expect("libraries of a log", {"one": 3, "last": 1}, libraries_of(f.loads("appendonly", "yes", loaders=loaders)))


def rdb_damaged(program):
    """Cut at every byte, and every byte changed: refused, with the file's name."""
    with Redis() as r, Folder(program) as f:
        r.pipe([command("SET", "a", "b" * 100), command("SET", "n", 12345, "PXAT", FUTURE_MS)])
        r.pipe([command("SELECT", 2), command("SET", "long", rnd(70))])
        r.pipe([command("RPUSH", "l", "a", 1), command("SADD", "s", 5, 6), command("HSET", "h", "f", "v" * 70)])
        r.pipe([command("ZADD", "z", "1.5", "a"), command("SADD", "t", "a"), command("FUNCTION", "LOAD", library("l", "f"))])
        r.save(f.dir)
        good = read(f.path("dump.rdb"))
        f.loads()
        for i in range(len(good)):
            f.write("dump.rdb", good[:i])
            f.refuses("Loading .*dump.rdb", loaders=1, show="no")
            f.write("dump.rdb", good[:i] + bytes([good[i] ^ 0x41]) + good[i + 1 :])
            f.refuses("Loading .*dump.rdb|databases", loaders=1, show="no")
        f.write("dump.rdb", good[:30])
        f.refuses("Loading .*dump.rdb", loaders=3)


def twice(program):
    """The same key twice."""
    with Redis() as r, Folder(program) as f:
        r.do("SET", "abcd", "1")
        r.do("SET", "abce", "1")
        r.save(f.dir)
        data = read(f.path("dump.rdb"))
        f.write("dump.rdb", data[:-8].replace(b"abce", b"abcd") + bytes(8))
        f.refuses("has the key 'abcd' of database 0 twice")


# ---- AOF ----


def every_command():
    """Whatever changes strings and keys, with its options."""
    out = []
    for i in range(40):
        out += [command("SET", "s:%d" % i, rnd(i)), command("SET", "n:%d" % i, i), command("SETNX", "x:%d" % i, "nx")]
    out += [command("SET", "ex", 1, "EX", 5000), command("SET", "px", 1, "PX", 5000000), command("SETEX", "se", 4000, "v")]
    out += [command("PSETEX", "pse", 4000000, "v"), command("SET", "keep", 1, "EX", 6000), command("SET", "keep", 2, "KEEPTTL")]
    out += [command("SET", "g", "old"), command("SET", "g", "new", "GET"), command("GETSET", "g", "newer")]
    out += [command("GETDEL", "s:1"), command("GETEX", "s:2", "EX", 7000), command("GETEX", "ex", "PERSIST")]
    out += [command("INCR", "n:1"), command("DECR", "n:2"), command("INCRBY", "n:3", 100), command("DECRBY", "n:4", 100)]
    out += [command("INCRBYFLOAT", "n:5", "0.5"), command("APPEND", "s:3", "more"), command("SETRANGE", "s:4", 100, "end")]
    out += [command("MSET", *sum([["m:%d" % i, "v%d" % i] for i in range(100)], [])), command("MSETNX", "q1", 1, "q2", 2)]
    out += [command("DEL", "m:1", "m:2", "m:3", "nobody"), command("UNLINK", *["m:%d" % i for i in range(10, 30)])]
    out += [command("RENAME", "m:40", "m:140"), command("RENAMENX", "m:41", "m:141"), command("RENAME", "m:42", "m:43")]
    out += [command("COPY", "m:44", "m:144"), command("COPY", "m:45", "m:46", "REPLACE"), command("COPY", "m:47", "c", "DB", 3)]
    out += [command("MOVE", "m:48", 5), command("EXPIRE", "m:49", 3000), command("PEXPIRE", "m:50", 3000000)]
    out += [command("EXPIREAT", "m:51", FUTURE_MS // 1000), command("PEXPIREAT", "m:52", FUTURE_MS), command("PERSIST", "keep")]
    out += [command("SELECT", 7), command("SET", "dies", 1), command("FLUSHDB"), command("SET", "lives", 1)]
    out += [command("SWAPDB", 7, 8), command("SELECT", 8), command("SET", "swapped", 1), command("SELECT", 0)]
    out += [command("RESTORE-ASKING", "moved", 0, b"\x00\x01v\t\x00A\xfa\x9f~M\xbe\xe9\x7f")]
    out += [command("MULTI"), command("SET", "t1", 1), command("INCR", "t1"), command("MSET", "t2", 2, "t3", 3), command("EXEC")]
    return out


def check_against_redis(what, f, aof="yes", **files):
    """The folder's files as redis-server loads them, and as we do."""
    keep = {}
    for folder, _, names in os.walk(f.dir):
        for name in names:
            path = os.path.join(folder, name)
            keep[os.path.relpath(path, f.dir)] = read(path)
    with Redis("--appendonly", aof, files=keep) as judge:
        wanted = judge.keys()
    for loaders in (1, 2, 5):
        got = f.loads("appendonly", aof, loaders=loaders)
        for k, (value, expiry, enc) in got.keys.items():
            if k in wanted and abs(expiry - wanted[k][1]) < 60000:  # relative ones count from the loading
                got.keys[k] = (value, wanted[k][1], enc)
        same_keys("%s with %d loaders" % (what, loaders), wanted, got.keys)
        expect("needs_base", "1", got.words["needs_base"])
    return wanted


def multipart(program):
    """What redis-server 7 writes: a base with and without preamble, increments, several of them."""
    for preamble in ("yes", "no"):
        # always: with everysec a write is put off while a sync is under way, and the copy would be too old.
        words = ("--appendonly", "yes", "--appendfsync", "always", "--aof-timestamp-enabled", "yes")
        with Redis(*words, "--aof-use-rdb-preamble", preamble) as r:
            with Folder(program) as f:
                r.pipe(every_command())
                r.copy(f.dir)
                check_against_redis("increments", f)
                r.do("BGREWRITEAOF")
                while b"aof_rewrite_in_progress:1" in r.do("INFO", "persistence"):
                    time.sleep(0.02)
                r.pipe([command("SET", "after", 1), command("FLUSHALL")])
                r.pipe(every_command())
                shutil.rmtree(f.dir)
                r.copy(f.dir)
                wanted = check_against_redis("base and increments", f)
                expect("something is there", True, len(wanted) > 100)


def single(program):
    """One file, as Redis wrote it before 7: commands, or an RDB file and commands; times that are relative."""
    tail = every_command() + [b"#TS:1700000000\r\n", b"*3\r\n$3\r\nset\r\n$5\r\nlower\r\n$4\r\ncase\r\n", b"*1\r\n$5\r\nmulti\r\n"]
    tail += [command("SET", "in block", 1), b"*1\r\n$4\r\nexec\r\n", command("GET", "lower")]
    with Redis() as r, Folder(program) as f:
        r.keep_expired()
        r.pipe([command("SET", "base:%d" % i, i) for i in range(500)] + [command("SET", "ttl", 1, "PX", 1)])
        time.sleep(0.01)
        r.save(f.dir)
        preamble = read(f.path("dump.rdb"))
        os.unlink(f.path("dump.rdb"))
        f.write("appendonly.aof", b"".join(tail))
        check_against_redis("plain", f)
        f.write("appendonly.aof", preamble + b"".join(tail))
        check_against_redis("with preamble", f)
        # The base keeps what has expired: the commands behind it count on that.
        f.write("appendonly.aof", preamble + command("PERSIST", "ttl"))
        expect("a key saved by the log", -1, check_against_redis("preamble", f)[0, b"ttl"][1])
        f.write("appendonly.aof", b"")
        check_against_redis("empty", f)


def scripts(program):
    """Before Redis 7 a log could hold scripts instead of what they did, with keys that nobody declared, in any database."""
    put = b"for i = 1, tonumber(ARGV[1]) do redis.call('APPEND', KEYS[1] .. i % 7, i) end return redis.call('INCR', KEYS[1])"
    sha = hashlib.sha1(put).hexdigest()
    many = b"for i = 1, 40 do redis.call('SET', 'many:' .. i, redis.call('INCR', 'counter')) end redis.call('SELECT', 3) redis.call('SET', 'there', 1)"
    stale = b"return redis.call('APPEND', KEYS[1], 'x')"
    half = b"redis.call('SET', KEYS[1], 'kept') return redis.call('INCR', KEYS[1])"
    log = [command("SET", "before:%d" % i, i) for i in range(100)]
    log += [command("EVAL", put, 1, "n:%d" % i, 20 + i) for i in range(5)] + [command("EVALSHA", sha, 1, "n:2", 5)]
    log += [command("EVAL", many, 0), command("SET", "here", 1), command("SCRIPT", "FLUSH"), command("EVALSHA", sha, 1, "lost", 5)]
    log += [command("SCRIPT", "LOAD", put), command("EVALSHA", sha.upper(), 1, "n:3", 5), command("SELECT", 2), command("EVAL", put, 1, "n:3", 5)]
    log += [command("SET", "gone", 1, "PXAT", 5), command("EVAL", stale, 1, "gone"), command("PERSIST", "gone")]
    log += [command("MULTI"), command("EVAL", put, 1, "block", 3), command("DEL", "block1"), command("EXEC")]
    log += [command("FUNCTION", "LOAD", library("lib", "f").replace("function()", "function(keys) redis.call('SET', keys[1], 'f')"))]
    log += [command("FCALL", "f", 1, "by function"), command("EVAL_RO", "return 1", 0), command("SET", "n:31", "last")]
    with Folder(program) as f:
        f.write("appendonly.aof", b"".join(log))
        wanted = check_against_redis("scripts", f)
        for name in ((0, b"n:26"), (3, b"there"), (2, b"n:3"), (2, b"gone"), (2, b"by function")):
            expect("%r is there" % (name,), True, name in wanted)
        # redis-server 7.0 crashes at the error of a script, so what is in front of the error is known to stay from Redis 6.
        f.write("appendonly.aof", b"".join([*log, command("EVAL", half, 1, "half")]))
        got = f.loads("appendonly", "yes", loaders=3)
        expect("what stood in front of an error", b"kept", got.keys[2, b"half"][0])
        for said in ("'evalsha' .* was answered with an error: NOSCRIPT", "'eval' .* was answered with an error: ERR value is not an integer"):
            if not re.search(said, got.log):
                raise Failed("%r was not said: %s" % (said, got.log))


def choice(program):
    """Which files count."""
    with Redis() as r, Folder(program) as f:
        r.do("SET", "from", "dump")
        r.save(f.dir)
        dump = {(0, b"from"): (b"dump", -1, "embstr")}
        aof = {(0, b"from"): (b"aof", -1, "embstr")}
        part = {(0, b"from"): (b"part", -1, "embstr")}
        expect("the dump", dump, f.loads().keys)
        got = f.loads("appendonly", "yes")
        expect("the dump for the log", dump, got.keys)
        expect("words", ("0", "1"), (got.words["aof"], got.words["needs_base"]))
        f.write("appendonly.aof", command("SET", "from", "aof"))
        expect("the old log", aof, f.loads("appendonly", "yes").keys)
        f.write("appendonlydir/appendonly.aof.manifest", b"file x.1.incr.aof seq 1 type i\n")
        f.write("appendonlydir/x.1.incr.aof", command("SET", "from", "part"))
        expect("the parts", part, f.loads("appendonly", "yes").keys)
        expect("the dump, the log is off", dump, f.loads("appendonly", "no").keys)
        os.unlink(f.path("dump.rdb"))
        got = f.loads()
        expect("nothing", ({}, "0"), (got.keys, got.words["needs_base"]))
    with Folder(program) as f:
        got = f.loads("appendonly", "yes")
        expect("a log that begins", ({}, "1"), (got.keys, got.words["needs_base"]))


def manifest(program):
    """The list of files is read strictly."""
    with Folder(program) as f:
        name = "appendonlydir/appendonly.aof.manifest"
        f.write("appendonlydir/a.aof", command("SET", "a", 1))
        f.write("appendonlydir/b c.aof", command("SET", "b", 1))
        bad = {
            b"": "Found an empty AOF manifest",
            b"file a.aof seq 1 type x\n": "Unknown AOF file type",
            b"file a.aof seq 1\n": "Invalid AOF manifest",
            b"file a.aof seq one type i\n": "Invalid AOF manifest",
            b"\n": "Invalid AOF manifest",
            b"file a.aof seq 1 type b\nfile a.aof seq 2 type b\n": "line 2: Found duplicate base",
            b"file a.aof seq 2 type i\nfile a.aof seq 1 type i\n": "line 2: Found a non-monotonic",
            b"file a.aof seq 1 type i": "too long line",
            b"file ../a.aof seq 1 type i\n": "just a filename",
            b'file "a.aof seq 1 type i\n': "Invalid AOF manifest",
            b"file nobody.aof seq 1 type i\n": "nobody.aof: No such file",
        }
        for text, why in bad.items():
            f.write(name, text)
            f.refuses(why, "appendonly", "yes")
        f.write(name, b'# a comment\nfile gone.aof seq 1 type h\nfile "b c.aof" seq 1 type i startoffset 0\nfile a.aof seq 2 type i\n')
        expect("keys", {(0, b"a"), (0, b"b")}, set(f.loads("appendonly", "yes").keys))


def aof_cut(program):
    """Cut at every byte of its last commands: what is whole counts, and the rest is cut off, or refused."""
    first = [command("SET", "k%d" % i, i) for i in range(50)]
    last = [command("SET", "a", "first"), command("MSET", "b", 1, "c", 2, "d", 3), command("DEL", "a"), command("SET", "e", "x" * 12)]
    whole = b"".join(first)
    with Folder(program) as f:
        for n in range(len(b"".join(last))):
            data = b"".join(last)[:n]
            done = 0
            while done < len(last) and len(b"".join(last[: done + 1])) <= n:
                done += 1
            good = whole + b"".join(last[:done])
            wanted = {b"k%d" % i for i in range(50)}
            wanted |= [set(), {b"a"}, {b"a", b"b", b"c", b"d"}, {b"b", b"c", b"d"}][done]
            f.write("appendonly.aof", whole + data)
            if good != whole + data:
                f.refuses("Unexpected end of file", "appendonly", "yes", "aof-load-truncated", "no")
                expect("nothing was changed", whole + data, read(f.path("appendonly.aof")))
            got = f.loads("appendonly", "yes")
            expect("keys at %d" % n, wanted, {k for _, k in got.keys})
            expect("the file at %d" % n, good, read(f.path("appendonly.aof")))
            if (good != whole + data) != ("!!! Truncating the AOF" in got.log):
                raise Failed("at %d the log says %s" % (n, got.log))


def block_cut(program):
    """A block without its end never was."""
    block = [command("MULTI"), command("SET", "a", 1), command("SET", "b", 2), command("EXEC")]
    before = command("SET", "before", 1)
    with Folder(program) as f:
        for n in range(1, len(b"".join(block))):
            f.write("appendonly.aof", before + b"".join(block)[:n])
            f.refuses("Unexpected end of file", "appendonly", "yes", "aof-load-truncated", "no", loaders=1)
            expect("keys at %d" % n, {(0, b"before")}, set(f.loads("appendonly", "yes").keys))
            expect("the file at %d" % n, before, read(f.path("appendonly.aof")))
        f.write("appendonly.aof", before + b"".join(block))
        expect("whole", 3, len(f.loads("appendonly", "yes").keys))
    # Only the last file may be cut.
    with Folder(program) as f:
        f.write("appendonlydir/appendonly.aof.manifest", b"file a seq 1 type i\nfile b seq 2 type i\n")
        f.write("appendonlydir/a", before[:-3])
        f.write("appendonlydir/b", before)
        f.refuses("the truncated file .*/a is not the last file", "appendonly", "yes")
        expect("nothing was changed", before[:-3], read(f.path("appendonlydir/a")))
        f.write("appendonlydir/a", before)
        f.write("appendonlydir/b", before[:-3])
        f.loads("appendonly", "yes")
        expect("cut", b"", read(f.path("appendonlydir/b")))


def aof_damaged(program):
    """What is no command is refused, with its place."""
    before = command("SET", "before", 1)
    bad = {
        b"SET a b\r\n": "Bad file format .*at offset %d" % len(before),
        b"*0\r\n": "Bad file format",
        b"*-1\r\n": "Bad file format",
        b"*2\r\n+a\r\n$1\r\nb\r\n": "Bad file format",
        b"*2\r\n$x\r\n$1\r\nb\r\n": "Bad file format",
        b"*1\r\n$4\r\nPING!!": "Bad file format",
        b"\x00" * 64: "Bad file format",
        command("NOSUCH", "a"): "Unknown command 'NOSUCH' reading the append only file",
        command("SET", "a"): "Wrong number of arguments for 'set'",
        command("CONFIG", "SET", "port", "1"): "none that changes keys",
        command("SELECT", "16"): "selects the database '16', but there are 16",
        command("SELECT", "x"): "selects the database 'x'",
    }
    with Folder(program) as f:
        for data, why in bad.items():
            for rest in (b"", before * 20):
                f.write("appendonly.aof", before + data + rest)
                f.refuses(why, "appendonly", "yes", loaders=3)
        # What fails when it is run is told, and passed over.
        f.write("appendonly.aof", before + command("SET", "s", "text") + command("INCR", "s") + before)
        got = f.loads("appendonly", "yes")
        if "ERR value is not an integer" not in got.log:
            raise Failed("the failed command went without a word: " + got.log)
        # A preamble that is cut or damaged.
    with Redis() as r, Folder(program) as f:
        r.do("SET", "a", "b")
        r.save(f.dir)
        rdb_file = read(f.path("dump.rdb"))
        for n in range(5, len(rdb_file)):
            f.write("appendonly.aof", rdb_file[:n])
            f.refuses("Loading .*appendonly.aof", "appendonly", "yes", loaders=1)


def surroundings(program):
    """Folders instead of files, and files that may not be read."""
    with Folder(program) as f:
        os.mkdir(f.path("dump.rdb"))
        f.refuses("dump.rdb is not a file")
        f.write("appendonlydir", b"")
        f.refuses("Cannot .*appendonlydir", "appendonly", "yes")
        os.unlink(f.path("appendonlydir"))
        f.write("skep-wal", b"")
        f.refuses("Cannot .*skep-wal", "appendonly", "yes")
    if os.getuid():
        return
    with Folder(program) as f:
        f.write("dump.rdb", b"")
        os.chmod(f.path("dump.rdb"), 0)
        os.chmod(f.dir, 0o755)
        f.refuses("Cannot open .*dump.rdb: Permission denied", user=65534)
        f.write("appendonly.aof", command("SET", "a", 1)[:-1])
        os.chmod(f.path("appendonly.aof"), 0o444)
        f.refuses("Error truncating the AOF file .*: Permission denied", "appendonly", "yes", user=65534)
        f.write("appendonlydir/appendonly.aof.manifest", b"")
        os.chmod(f.path("appendonlydir"), 0)
        f.refuses("Cannot open the AOF manifest .*: Permission denied", "appendonly", "yes", user=65534)
        os.mkdir(f.path("skep-wal"), 0)
        f.refuses("Cannot .*skep-wal: Permission denied", "appendonly", "yes", user=65534)


def full(program):
    """More keys than the arena has room for."""
    with Folder(program) as f:
        f.write("appendonly.aof", b"".join(command("SET", "k%d" % i, b"x" * 1000) for i in range(60000)))
        f.refuses("the arena is full", "appendonly", "yes", "--arena", "48")
        with Redis("--appendonly", "yes", files={"appendonly.aof": read(f.path("appendonly.aof"))}) as r:
            r.save(f.dir)
        data = read(f.path("dump.rdb"))
        expect("a dump", True, len(data) > 1 << 20)
        f.refuses("the arena is full", "--arena", "48")


# ---- several loaders ----


def any_commands(n, seed):
    """Commands over few keys, most of them with keys of several shares."""
    r = random.Random(seed)

    def key():
        return b"k%d" % r.randrange(40)

    def some(make):
        return [x for _ in range(r.randrange(1, 7)) for x in make()]

    out = []
    for i in range(n):
        out.append(
            command(
                *r.choice(
                    (
                        lambda: ("SET", key(), i),
                        lambda: ("APPEND", key(), "a%d" % i),
                        lambda: ("MSET", *some(lambda: (key(), r.randrange(1000)))),
                        lambda: ("MSETNX", *some(lambda: (key(), i))),
                        lambda: ("DEL", *some(lambda: (key(),))),
                        lambda: ("UNLINK", *some(lambda: (key(),))),
                        lambda: ("COPY", key(), b"c" + key(), "REPLACE"),
                        lambda: ("COPY", key(), key(), "DB", r.randrange(1, 4), "REPLACE"),
                        lambda: ("MOVE", key(), r.randrange(1, 4)),
                        lambda: ("SETRANGE", key(), r.randrange(60), "r%d" % i),
                        lambda: ("PEXPIREAT", key(), FUTURE_MS + i),
                        lambda: ("SWAPDB", r.randrange(4), r.randrange(4)) if r.random() < 0.1 else ("PERSIST", key()),
                        lambda: ("FLUSHDB",) if r.random() < 0.03 else ("SETNX", key(), i),
                        lambda: ("SELECT", r.randrange(4)) if r.random() < 0.3 else ("GETDEL", key()),
                    )
                )()
            )
        )
        # A name that is missing would be an error, so there is one.
        names = (key(), key())
        out += [command("SET", names[0], i), command("RENAME", *names)] if r.random() < 0.2 else []
    return out


def shares(program):
    """However many loaders, the outcome is redis-server's."""
    for seed in range(1, 7):
        with Folder(program) as f:
            f.write("appendonly.aof", b"".join(any_commands(3000, seed)))
            wanted = check_against_redis("seed %d" % seed, f)
            for loaders in (3, 4, 8, 16):
                same_keys("seed %d with %d loaders" % (seed, loaders), wanted, f.loads("appendonly", "yes", loaders=loaders).keys)


SCENARIOS = {
    s.__name__: s
    for s in (rdb, rdb_types, rdb_empty, crowded, crowded_types, usage, rdb_refused, functions, rdb_damaged, twice, multipart, single, scripts, choice, manifest, aof_cut, block_cut,
              aof_damaged, surroundings, full, shares)
}

if __name__ == "__main__":
    main(SCENARIOS, sys.argv)
