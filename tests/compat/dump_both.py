#!/usr/bin/env python3
"""DUMP and RESTORE beside a real redis-server: the payloads are the same bytes, and each takes the other's.

    dump_both.py --server 'build/skep --workers 2' [--seed N]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import both  # noqa: E402


def texts(rnd):
    """Values of every encoding, and around every length at which something changes."""
    edges = [0, 1, 9, 127, 128, 32767, 32768, 2**31 - 1, 2**31, 2**32, 2**63 - 1]
    for v in edges:
        yield b"%d" % v
        yield b"%d" % -v
    yield from (b"", b"-0", b"007", b"+5", b" 5", b"1e3", b"-9223372036854775808", b"9223372036854775808", b"\0" * 5)
    for n in (1, 11, 12, 19, 20, 21, 22, 23, 24, 25, 26, 27, 44, 45, 63, 64, 100, 263, 264, 265, 266, 267, 268, 300):
        yield b"x" * n
        yield b"xy" * n
        yield bytes(rnd.randrange(256) for _ in range(n))
        yield bytes(rnd.choice(b"ab") for _ in range(n))
    for n in (16383, 16384, 65535, 65536, 70000, 300000):
        yield b"x" * n
        yield bytes(rnd.choice(b"abcd") for _ in range(n))
    yield rnd.randbytes(100000)


def narrow(rnd):
    """A text that becomes shorter by just about as much as it must: what once was there comes again near its end."""
    text = rnd.randbytes(rnd.randrange(12, 80))
    for _ in range(rnd.randrange(1, 4)):
        start = rnd.randrange(1, len(text) - 3)
        text += text[start : start + rnd.randrange(3, 12)] + rnd.randbytes(rnd.randrange(4))
    return text


def made(rnd):
    """A text in which stretches come again, at any distance, among others that do not."""
    out = bytearray(rnd.randbytes(rnd.randrange(1, 40)))
    size = rnd.choice((30, 100, 1000, 20000))
    while len(out) < size:
        if rnd.random() < 0.6:
            start = rnd.randrange(len(out))
            out += out[start : start + rnd.choice((3, 4, 8, 9, 17, 18, 19, 20, 40, 300))]
        else:
            out += rnd.randbytes(rnd.choice((1, 2, 3, 31, 32, 33, 64)))
    return bytes(out)


def value(conn, *words):
    r = conn.command(*words)
    if r.kind == "error":
        raise SystemExit("%r: %s" % (words[0], r.value))
    return r.value


# What differs is shown by its ends: values may be long.
def short(b):
    return repr(b) if len(b) < 200 else "%r ... %r (%d bytes)" % (b[:80], b[-80:], len(b))


def compare(ours, redis, text):
    for conn in (ours, redis):
        value(conn, "SET", "k", text)
    payload, theirs = value(ours, "DUMP", "k"), value(redis, "DUMP", "k")
    if theirs != payload:
        raise SystemExit("payloads differ for %s:\nredis %s\nours  %s" % (short(text), short(theirs), short(payload)))
    for to, what in ((ours, theirs), (redis, payload)):
        value(to, "RESTORE", "copy", 0, what, "REPLACE")
        got = value(to, "GET", "copy")
        if got != text:
            raise SystemExit("%s came back as %s" % (short(text), short(got)))
    for name in (b"k", b"copy"):
        a, b = value(ours, "OBJECT", "ENCODING", name), value(redis, "OBJECT", "ENCODING", name)
        if a != b:
            raise SystemExit("the encoding of %s is %s, Redis's %s" % (short(text), a, b))


def without_compression(ours, redis):
    for conn in (ours, redis):
        value(conn, "CONFIG", "SET", "rdbcompression", "no")
        value(conn, "SET", "k", b"x" * 1000)
    if value(ours, "DUMP", "k") != value(redis, "DUMP", "k"):
        raise SystemExit("payloads differ without rdbcompression")


def main():
    opts, rnd = both.options("dump_both.py", __doc__, texts=600)
    with both.connected(opts.server) as (a, b):
        for text in texts(rnd):
            compare(a, b, text)
        for _ in range(opts.texts):
            compare(a, b, made(rnd))
            compare(a, b, narrow(rnd))
        without_compression(a, b)


if __name__ == "__main__":
    main()
