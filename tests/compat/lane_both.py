#!/usr/bin/env python3
"""Made-up commands of all types, many of them in one EXEC or one script of the slow lane, sent to redis-server and to ours: the same
replies, the same keys. Meanwhile others of ours add and remove keys, so that tables grow and shrink around those that are
locked, and snapshots are taken.

    lane_both.py --server 'build/skep --workers 2' [--seed N] [--rounds N] [--quiet]
"""

import argparse
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402
import streams_both  # noqa: E402
from streams_both import CHANCE, Maker, judged, plain, table  # noqa: E402

# What looks at all keys would see those of the others, and would close the gate, behind which nothing is locked. The
# names of the others begin with this.
OTHERS = b"by:"
LEFT_OUT = CHANCE | {"SPOP", "SELECT", "DBSIZE", "KEYS", "SCAN", "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN",
                     "BZPOPMAX", "BZMPOP"}  # fmt: skip
# A name that is long enough for the whole EXEC to go to the lane.
LONG = "no such key " * 25000
SCRIPT = """
local n, out = 1, {}
for i = 1, 400000 do end
while n <= #ARGV do
  local words = {}
  for i = 1, ARGV[n] do words[i] = ARGV[n + i] end
  local reply = redis.pcall(unpack(words))
  out[#out + 1] = type(reply) == 'table' and reply or {reply}
  n = n + ARGV[n] + 1
end
return out
"""


class Others(threading.Thread):
    """Grows and shrinks the tables; every now and then a snapshot begins."""

    def __init__(self, ours, seed):
        super().__init__(daemon=True)
        self.conn, self.rnd, self.over, self.fault = ours.connect(), random.Random(seed), False, None

    def run(self):
        try:
            while not self.over:
                self.round()
        except Exception as e:  # the main thread tells it
            self.fault = e

    def round(self):
        n = self.rnd.choice((40, 300, 1500))
        names = [b"%s%d" % (OTHERS, i) for i in range(n)]
        for db in range(3):
            self.conn.command("SELECT", db)
            for i in range(0, n, 100):
                self.conn.command("MSET", *[w for k in names[i : i + 100] for w in (k, b"v" * self.rnd.choice((5, 500)))])
        if self.rnd.random() < 0.5:
            self.conn.command("BGSAVE")
        for db in range(3):
            self.conn.command("SELECT", db)
            for i in range(0, n, 20):
                self.conn.command("UNLINK", *names[i : i + 20])
                time.sleep(0.0005)


class Both(streams_both.Both):
    def made(self, maker, rows, most):
        out = [maker.command(rows) for _ in range(self.rnd.randrange(1, most))]
        return [w for w in out if w[0] not in LEFT_OUT]

    def replies(self, words, a, b):
        if a.kind != b.kind or a.kind != "array" or len(a.value) != len(b.value):
            self.fail(["whole"], plain(a), plain(b))
        for w, x, y in zip(words, a.value, b.value):
            if judged(w, x) != judged(w, y):
                self.fail(w, plain(x), plain(y))

    def in_exec(self, maker, rows, most):
        """Some databases in turn, as a client selects them."""
        for conn in (self.ours, self.redis):
            conn.command("MULTI")
        queued, refused = [], False
        for words in [["EXISTS", LONG]] + self.made(maker, rows, most):
            if self.rnd.random() < 0.05:
                words = ["SELECT", self.rnd.choice("0012")]
            a, b = self.ours.command(*words), self.redis.command(*words)
            if judged(words, a) != judged(words, b):
                self.fail(words, plain(a), plain(b))
            refused |= a.kind == "error"
            queued.append(words)
            self.history.append(words)
        a, b = self.ours.command("EXEC"), self.redis.command("EXEC")
        if not refused:
            self.replies(queued, a, b)
        elif plain(a) != plain(b):
            self.fail(["EXEC"], plain(a), plain(b))
        self.ask(["SELECT", "0"])

    def in_script(self, maker, rows, most):
        """Its keys come late, or all of them are told beforehand."""
        queued = [w for w in self.made(maker, rows, most) if len(w) > 1 and w[0] not in streams_both.UNORDERED]
        words = [x for w in queued for x in [len(w)] + w]
        keys = ["%s%d" % (kind, i) for kind in "slhSzge" for i in range(5)] if self.rnd.random() < 0.5 else []
        self.history += queued
        a, b = [c.command("EVAL", SCRIPT, len(keys), *keys, *words) for c in (self.ours, self.redis)]
        if a.kind != b.kind or a.kind != "array":
            self.fail(["EVAL"], plain(a), plain(b))
        # What Lua makes of a reply has no order any more, where there was none: the keys are compared instead.
        for w, x, y in zip(queued, a.value, b.value):
            if w[0] not in ("SORT", "SORT_RO", "HGETALL", "SSCAN", "HSCAN", "ZSCAN") and w[0][:3] != "GEO":
                if judged(w, x) != judged(w, y):
                    self.fail(w, plain(x), plain(y))

    def ask(self, words):
        if words[0] in LEFT_OUT - {"SELECT"}:
            return None
        return super().ask(words)


def state_without_others(conn, sorts):
    return {k: v for k, v in streams_both_state(conn, sorts).items() if not k[1].startswith(OTHERS)}


streams_both_state, streams_both.state = streams_both.state, state_without_others


def run(both, maker, rows, rounds, others):
    for n in range(rounds):
        most = both.rnd.choice((8, 60, 200))
        what = both.rnd.choice((both.in_exec, both.in_exec, both.in_script))
        what(maker, rows, most)
        for _ in range(both.rnd.randrange(5)):
            both.ask(maker.command(rows))
        both.compare()
        if others and others.fault:
            raise others.fault


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--server", required=True)
    ap.add_argument("--seed", type=int, default=random.randrange(10**9))
    ap.add_argument("--rounds", type=int, default=40)
    ap.add_argument("--only", default="")
    ap.add_argument("--quiet", action="store_true", help="nobody else")
    args = ap.parse_args()
    print("seed %d" % args.seed)
    server.install_signal_handlers()
    rnd = random.Random(args.seed)
    rows = table([n for n in args.only.split(",") if n])
    with server.Server(args.server) as ours, server.Server("redis-server") as redis:
        both = Both(ours.connect(), redis.connect(), rnd, True)
        now_ms = int(both.redis.command("TIME").value[0].value) * 1000
        others = None if args.quiet else Others(ours, args.seed)
        if others:
            others.start()
        run(both, Maker(rnd, now_ms), rows, args.rounds, others)
        if others:
            others.over = True
            others.join()
        illness = ours.health()
    if illness or ours.bad_end:
        raise SystemExit(illness or ours.bad_end)


if __name__ == "__main__":
    main()
