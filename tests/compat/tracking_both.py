#!/usr/bin/env python3
"""Client-side caching beside redis-server: the same random commands to both, and the invalidations compared.

After each step every client's pushes are read up to the reply of a PING of its own, so all that the step has caused is
seen. With several workers a client may be told of a key twice where redis-server says it once, so sets are compared.

    tracking_both.py --server 'build/skep --workers 1' [--seed N] [--steps N]
"""

import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import resp
import server

KEYS = ["a", "b", "ab", "abc", "x", "xy", "n", "l", "s"]


class Failure(Exception):
    pass


class Client:
    """A connection in RESP3: its pushes are set apart from its replies."""

    def __init__(self, s):
        self.c = s.connect()
        self.c.command("HELLO", "3")
        self.told = []

    def read(self):
        while True:
            r = self.c.read()
            if r.kind != "push":
                return r
            self.hear(r)

    def hear(self, r):
        what = r.value[0].value
        if what != b"invalidate":
            self.told.append((what, None))
        elif r.value[1].kind == "null":
            self.told.append((what, None))
        else:
            for k in r.value[1].value:
                self.told.append((what, k.value))

    def do(self, argv):
        self.c.send([a.encode() for a in argv])
        return self.read()

    def settle(self):
        """All pushes so far, sorted: the order of different keys is nobody's promise."""
        self.do(["PING"])
        told, self.told = self.told, []
        return sorted(told, key=repr)


def shown(r):
    if isinstance(r, tuple):
        return tuple(shown(x) for x in r)
    return (r.kind, [shown(x) for x in r.value]) if isinstance(r.value, list) else (r.kind, r.value)


def random_command(rnd):
    k, k2 = rnd.choice(KEYS), rnd.choice(KEYS)
    return rnd.choice([
        ["GET", k], ["GET", k], ["GET", k], ["MGET", k, k2], ["STRLEN", k], ["EXISTS", k, k2], ["TYPE", k],
        ["SET", k, str(rnd.randrange(9))], ["SET", k, "v", "EX", "100"], ["INCR", "n"], ["APPEND", k, "z"],
        ["DEL", k], ["DEL", k, k2], ["RENAME", k, k2], ["COPY", k, k2, "REPLACE"], ["MSET", k, "1", k2, "2"],
        ["EXPIRE", k, "100"], ["PERSIST", k], ["GETDEL", k], ["SETNX", k, "1"], ["GETEX", k, "PERSIST"],
        ["LPUSH", "l", "1"], ["RPOP", "l"], ["LRANGE", "l", "0", "-1"], ["SADD", "s", k], ["SREM", "s", k],
        ["SCARD", "s"], ["SUNIONSTORE", k, "s"], ["SORT", "l", "STORE", k], ["PEXPIRE", k, "-1"], ["MOVE", k, "1"],
        ["SET", k, "1", "NX"], ["GETSET", k, "2"], ["SETRANGE", k, "0", ""], ["PING"],
        ["PFADD", "h", k], ["PFCOUNT", "h"], ["UNLINK", k], ["TOUCH", k],
    ])


def random_mode(rnd):
    on = ["CLIENT", "TRACKING", "ON"]
    return rnd.choice([
        on, on, on + ["NOLOOP"], on + ["OPTIN"], on + ["OPTOUT"], on + ["BCAST"], on + ["OPTIN", "NOLOOP"],
        on + ["BCAST", "PREFIX", "a", "PREFIX", "x"], on + ["BCAST", "NOLOOP"], ["CLIENT", "TRACKING", "OFF"],
        ["CLIENT", "TRACKING", "OFF"], on + ["BCAST", "PREFIX", "ab"],
    ])


def random_step(rnd):
    """Commands that one client sends, one behind the other."""
    p = rnd.random()
    if p < 0.12:
        return [random_mode(rnd)]
    if p < 0.2:
        return [["CLIENT", "CACHING", rnd.choice(["YES", "NO"])], random_command(rnd)]
    if p < 0.28:
        return [["MULTI"]] + [random_command(rnd) for _ in range(rnd.randrange(1, 5))] + [["EXEC"]]
    if p < 0.3:
        return [["CLIENT", "TRACKINGINFO"]]
    return [["FLUSHDB"]] if p < 0.31 else [random_command(rnd)]


def run_step(clients, who, commands):
    c = clients[who]
    c.c.send_raw(b"".join(resp.encode([a.encode() for a in argv]) for argv in commands))
    replies = [shown(c.read()) for _ in commands]
    return replies, [x.settle() for x in clients]


def compare(rnd, ours, theirs, steps, exact):
    a, b = [Client(ours) for _ in range(4)], [Client(theirs) for _ in range(4)]
    for step in range(steps):
        who, commands = rnd.randrange(4), random_step(rnd)
        got, want = run_step(a, who, commands), run_step(b, who, commands)
        if not exact:
            got, want = [(r, [set(t) for t in told]) for r, told in (got, want)]
        if got != want:
            raise Failure("step %d, client %d: %s\n  ours:   %r\n  redis:  %r" % (step, who, commands, got, want))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", required=True)
    ap.add_argument("--seed", type=int, default=int(time.time()))
    ap.add_argument("--steps", type=int, default=2000)
    args = ap.parse_args()
    print("seed", args.seed)
    with server.Server(args.server) as ours, server.Server("redis-server") as theirs:
        compare(random.Random(args.seed), ours, theirs, args.steps, "--workers 1" in args.server)


if __name__ == "__main__":
    main()
