#!/usr/bin/env python3
"""Commands on bits and on HyperLogLogs beside a real redis-server: the same made-up commands, the same replies, the same
bytes in all keys.

    bits_both.py --server 'build/skep --workers 2' [--seed N] [--commands N]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import both  # noqa: E402
import resp  # noqa: E402

BITS, HLLS = (b"a", b"b", b"c", b"d"), (b"h1", b"h2", b"h3", b"h4")
LONG = 70000  # bytes: beyond what lies in an entry, and beyond what is saved to be undone


def number(rnd, top):
    v = rnd.choice((rnd.randrange(10), rnd.randrange(100), rnd.randrange(top), top - 1))
    return b"%d" % rnd.choice((v, v, v, -v))


def offset(rnd):
    top = rnd.choice((100, 400, 8 * 5000, 8 * LONG))
    return rnd.choice((b"%d" % rnd.randrange(top), b"%d" % rnd.randrange(top), b"0", b"7", b"8", b"-1", b"x", b"4294967296"))


def kind(rnd):
    k = rnd.choice((b"u", b"i")) + b"%d" % rnd.randrange(1, 64)
    return rnd.choice((k, k, k, k, k, b"i64", b"u8", b"u64", b"i65", b"u0", b"u", b"", b"x8"))


def wide(rnd):
    v = rnd.choice((rnd.randrange(300), 2 ** rnd.randrange(63), 2**63 - 1, rnd.randrange(2**62)))
    return b"%d" % rnd.choice((v, -v, -v - 1))


def field_words(rnd, read_only):
    for _ in range(rnd.randrange(5)):
        place = rnd.choice((b"#%d" % rnd.randrange(40), b"%d" % rnd.randrange(300), offset(rnd)))
        what = rnd.choice((b"GET", b"SET", b"INCRBY", b"OVERFLOW"))
        if what == b"GET" or (read_only and rnd.random() < 0.9):
            yield from (b"get", kind(rnd), place)
        elif what == b"OVERFLOW":
            yield from (what, rnd.choice((b"wrap", b"SAT", b"fail", b"FAIL", b"none")))
        else:
            yield from (what, kind(rnd), place, wide(rnd))
    if rnd.random() < 0.05:
        yield b"get"


def range_words(rnd):
    top = rnd.choice((20, 600, LONG, 8 * LONG))
    words = [number(rnd, top), number(rnd, top)]
    return words[: rnd.choice((0, 1, 2, 2, 2))] + [rnd.choice((b"BIT", b"byte", b"bits"))] * rnd.choice((0, 0, 1))


def bit_command(rnd):
    key, name = rnd.choice(BITS + (b"nosuch", b"list")), rnd.random()
    if name < 0.3:
        return [b"SETBIT", key, offset(rnd), rnd.choice((b"0", b"1", b"1", b"2"))]
    if name < 0.4:
        return [b"GETBIT", key, offset(rnd)]
    if name < 0.5:
        return [b"BITCOUNT", key] + range_words(rnd)
    if name < 0.6:
        return [b"BITPOS", key, rnd.choice((b"0", b"1", b"0", b"1", b"2"))] + range_words(rnd)
    if name < 0.7:
        some = [rnd.choice(BITS + (b"nosuch",)) for _ in range(rnd.choice((1, 1, 2, 3)))]
        return [b"BITOP", rnd.choice((b"AND", b"or", b"XOR", b"NOT", b"nand")), rnd.choice(BITS)] + some
    if name < 0.85:
        return [b"BITFIELD", key] + list(field_words(rnd, False))
    if name < 0.9:
        return [b"BITFIELD_RO", key] + list(field_words(rnd, True))
    if name < 0.95:
        values = (b"123", b"", b"\xff" * rnd.randrange(40), b"\0" * rnd.randrange(5000), rnd.randbytes(rnd.randrange(LONG)))
        return [b"SET", rnd.choice(BITS), rnd.choice(values)]
    return rnd.choice(([b"DEL", key], [b"SETRANGE", rnd.choice(BITS), b"%d" % rnd.randrange(LONG), rnd.randbytes(9)]))


def hll_command(rnd):
    key, name = rnd.choice(HLLS), rnd.random()
    if name < 0.5:
        count = rnd.choice((0, 1, 2, 10, 400, 3000))
        span = rnd.choice((100, 10**6, 10**12))
        return [b"PFADD", key] + [b"%d" % rnd.randrange(span) * rnd.choice((1, 1, 2)) for _ in range(count)]
    if name < 0.75:
        return [b"PFCOUNT", key] + [rnd.choice(HLLS + (b"nosuch",)) for _ in range(rnd.choice((0, 0, 0, 1, 2)))]
    if name < 0.85:
        return [b"PFMERGE", key] + [rnd.choice(HLLS + (b"nosuch",)) for _ in range(rnd.randrange(4))]
    if name < 0.92:
        return [b"PFDEBUG", rnd.choice((b"DECODE", b"ENCODING", b"GETREG", b"TODENSE", b"what")), key]
    if name < 0.94:
        return [b"CONFIG", b"SET", b"hll-sparse-max-bytes", rnd.choice((b"0", b"100", b"3000", b"3000", b"20000"))]
    if name < 0.96:
        return [b"SETRANGE", key, b"%d" % rnd.randrange(16, 300), rnd.randbytes(1)]  # perhaps not valid any more
    return rnd.choice(([b"DEL", key], [b"DEL", key], [b"SET", key, b"HYLL"], [b"RESTORE", key, b"0", None, b"REPLACE"]))


def compare(ours, redis, words):
    if None in words:  # a payload that the other one made goes to both
        other = redis.command("DUMP", "h1").value
        words = [other if w is None else w for w in words] if other else [b"PING"]
    a, b = resp.show(ours.command(*words)), resp.show(redis.command(*words))
    if a != b:
        raise SystemExit("%r\nredis %.300r\nours  %.300r" % ([w[:80] for w in words[:20]], b, a))
    if a[0].startswith("-INVALIDOBJ"):  # Redis keeps what it had done by then, we keep nothing of it
        for conn in (ours, redis):
            conn.command("DEL", *HLLS)
    for key in [w for w in words[1:4] if w in BITS + HLLS]:
        a, b = ours.command("GET", key).value, redis.command("GET", key).value
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a or b"", b or b"")) if x != y), None)
            raise SystemExit("%r: key %r differs at %r\nredis %.200r\nours  %.200r" % (words[:20], key, at, b, a))


def dumps(ours, redis):
    for key in BITS + HLLS:
        a, b = ours.command("DUMP", key).value, redis.command("DUMP", key).value
        if a != b:
            raise SystemExit("payloads of %r differ" % key)


def main():
    opts, rnd = both.options("bits_both.py", __doc__, commands=6000)
    with both.connected(opts.server) as (a, b):
        for i in range(opts.commands):
            compare(a, b, bit_command(rnd) if rnd.random() < 0.7 else hll_command(rnd))
            if i % 500 == 0:
                dumps(a, b)
        dumps(a, b)


if __name__ == "__main__":
    main()
