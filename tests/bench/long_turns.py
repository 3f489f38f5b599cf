#!/usr/bin/env python3
"""Long things that are legal, under a watchdog that has little patience: nobody may be killed for them.

    long_turns.py build/skep [--ms 200] [--keys 3000000]

Run by hand on a quiet machine: where the processes are not scheduled for so long, the watchdog is right.
"""

import argparse
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import resp  # noqa: E402
from big_values import Plain  # noqa: E402
import server  # noqa: E402


def talk(s):
    c = resp.Connection(port=s.port)
    c.sock.settimeout(120)
    return c


def pipeline(s, one, n):
    """n times the same words; the replies are counted by their line ends."""
    c = talk(s)
    wire = resp.encode(one) * n
    sender = threading.Thread(target=c.sock.sendall, args=(wire,))
    sender.start()
    lines = 0
    while lines < n:
        got = c.sock.recv(1 << 20)
        if not got:
            return "closed after %d replies" % lines
        lines += got.count(b"\n")  # CR and LF may come in different pieces
    sender.join()
    c.close()


def ask(s, *words):
    c = Plain(s.port)
    c.sock.settimeout(120)
    try:
        line = c.ask(*words)
    except SystemExit as e:
        return str(e)
    c.sock.close()
    return None if line[:1] != b"*" else line.decode()


def from_many(s, *words):
    said = set()
    threads = [threading.Thread(target=lambda: said.add(ask(s, *words))) for _ in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return [x for x in said if x] or None  # an array's rest is left unread: it is dropped


def expire_many(s, n):
    c = talk(s)
    for at in range(0, n, 20000):
        c.send_raw(b"".join(resp.encode([b"SET", b"e%d" % i, b"x", b"PXAT", b"%d" % (time.time() * 1000 + 6000)])
                            for i in range(at, at + 20000)))
        for _ in range(20000):
            c.read(60)
    time.sleep(7)
    c.close()


def evict_many(s):
    ask(s, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ask(s, "CONFIG", "SET", "maxmemory", "20mb")
    for _ in range(30):
        ask(s, "SET", "x", "y")
        time.sleep(0.1)
    return ask(s, "CONFIG", "SET", "maxmemory", "0")


def crowd_waits(s):
    """3,000 idle clients, and a MONITOR that is fed."""
    cs = [talk(s) for _ in range(3000)]
    cs[0].command("MONITOR")
    said = pipeline(s, [b"SET", b"k", b"v"], 200000)
    [c.close() for c in cs]
    return said


def things(s, keys):
    million = 1000000
    pairs = [w for i in range(100000) for w in ("m%d" % i, "v" * 20)]
    yield "a million GETs in one pipeline", lambda: pipeline(s, [b"GET", b"nothing"], million)
    yield "a million SETs of one key", lambda: pipeline(s, [b"SET", b"k", b"v" * 30], million)
    yield "100,000 GETs of 10 KB", lambda: (ask(s, "SET", "t", "v" * 10000), pipeline(s, [b"STRLEN", b"t"], 100000))[1]
    yield "table growth: %d keys" % keys, lambda: ask(s, "DEBUG", "POPULATE", keys, "p", 30)
    yield "KEYS from 12 clients", lambda: from_many(s, "KEYS", "*99999*")
    yield "MSET of 100,000 keys", lambda: ask(s, "MSET", *pairs)
    yield "MSET of 4000 keys, 300 times", lambda: pipeline(s, [b"MSET"] + [w.encode() for w in pairs[:8000]], 300)
    yield "DEL of 100,000 keys", lambda: ask(s, "DEL", *pairs[::2])
    yield "MSET of 4000 long values", lambda: ask(s, "MSET", *[w for i in range(4000) for w in ("l%d" % i, "v" * 400)])
    yield "MGET of 4000 long values", lambda: pipeline_mget(s)
    yield "a value of 200 MB", lambda: ask(s, "SET", "big", b"x" * (200 << 20))
    yield "its COPY, GETRANGE, SETRANGE", lambda: (ask(s, "COPY", "big", "big2"), ask(s, "GETRANGE", "big", 0, 100 << 20),
                                                   ask(s, "SETRANGE", "big", 1000, b"y" * (50 << 20)))
    yield "ECHO of 100 MB", lambda: ask(s, "ECHO", b"x" * (100 << 20))
    yield "300,000 keys that expire together", lambda: expire_many(s, 300000)
    yield "eviction down to 20 MB", lambda: evict_many(s)
    yield "table growth again", lambda: ask(s, "DEBUG", "POPULATE", keys, "p", 30)
    yield "FLUSHALL of all of them", lambda: ask(s, "FLUSHALL")
    yield "FLUSHALL from 12 clients", lambda: from_many(s, "FLUSHALL")
    yield "3,000 idle clients, one that monitors", lambda: crowd_waits(s)
    yield "DEBUG ARENA CHECK from 12 clients", lambda: from_many(s, "DEBUG", "ARENA", "CHECK")


def pipeline_mget(s):
    c = talk(s)
    words = [b"MGET"] + [b"l%d" % i for i in range(4000)]
    for _ in range(20):
        c.send(words)
        c.read(60)
    c.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("server")
    p.add_argument("--ms", type=int, default=200)
    p.add_argument("--keys", type=int, default=3000000)
    o = p.parse_args()
    directives = ["--workers", "2", "--slow-lanes", "3", "--worker-watchdog-ms", str(o.ms)]
    with server.Server(o.server, directives) as s:
        at = 0
        for name, run in things(s, o.keys):
            t = time.monotonic()
            said = run()
            time.sleep(0.5)
            text = open(s.log, "rb").read().decode("utf-8", "replace")
            bad = re.findall(r"# (.*(?:Watchdog|ended by|ended with).*)", text[at:])
            at = len(text)
            print("%-45s %6.1f s  %s %s" % (name, time.monotonic() - t, said or "", "; ".join(bad)), flush=True)
        print("the server's health: %s" % (s.health() or "good"))


if __name__ == "__main__":
    main()
