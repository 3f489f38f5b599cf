#!/usr/bin/env python3
"""Client-side caching, whoever dies or moves: what a client still keeps is what the server has, or the client has been told.

Each client keeps what it reads and drops what it is told to drop. Its connection's end empties its cache."""

import os
import random
import signal
import sys
import threading
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, main, wait_for
import resp
import server

KEYS = [b"k%d" % i for i in range(40)]


class Cache:
    """A client in RESP3 that tracks; comes back when its connection ends."""

    def __init__(self, s, *mode):
        self.s, self.mode = s, mode
        self.lost = self.dropped = 0
        self.connect()

    def connect(self):
        self.kept = {}
        self.c = self.s.connect()
        self.c.command("HELLO", "3")
        self.expect("CLIENT", "TRACKING", "ON", *self.mode)

    def expect(self, *argv):
        r = self.ask(*argv)
        if r.kind == "error":
            raise Failure("%r: %r" % (argv, r.value))
        return r

    def hear(self, r):
        if r.value[0].value in (b"subscribe", b"message"):
            return
        if r.value[0].value != b"invalidate":
            raise Failure("told %r" % r.value[0].value)
        if r.value[1].kind == "null":
            self.kept.clear()
            self.dropped += 1
        else:
            for k in r.value[1].value:
                self.kept.pop(k.value, None)

    def ask(self, *argv):
        self.c.send([a if isinstance(a, bytes) else str(a).encode() for a in argv])
        while True:
            r = self.c.read()
            if r.kind != "push":
                return r
            self.hear(r)

    def read(self, key):
        r = self.ask("GET", key)
        if r.kind == "error":
            raise Failure("GET: %r" % r.value)
        self.kept[key] = r.value if r.kind == "bulk" else None

    def look(self):
        """Everything that was sent before is heard."""
        try:
            self.ask("PING")
        except (resp.Closed, OSError):
            self.lost += 1
            self.connect()

    def stale(self, truth):
        self.look()
        return {k: v for k, v in self.kept.items() if truth[k] != v}


def truth_of(c):
    return {k: (None if r.kind != "bulk" else r.value) for k, r in zip(KEYS, c.command("MGET", *KEYS).value)}


class Busy(threading.Thread):
    """Does something again and again until it is told to stop."""

    def __init__(self, work, s):
        super().__init__(daemon=True)
        self.work, self.s, self.stopping, self.error = work, s, False, None

    def run(self):
        rnd = random.Random(self.ident)
        try:
            while not self.stopping:
                self.work(rnd)
        except Exception as e:  # any error of the thread is the test's
            self.error = e

    def end(self):
        self.stopping = True
        self.join(WAIT_S)
        if self.error:
            raise Failure(repr(self.error))


def reader(cache):
    def work(rnd):
        try:
            for _ in range(20):
                cache.read(rnd.choice(KEYS))
        except (resp.Closed, OSError):
            cache.lost += 1
            cache.connect()

    return work


def writer(s):
    place = {"c": s.connect(), "n": 0}

    def work(rnd):
        place["n"] += 1
        k = rnd.choice(KEYS)
        v = b"%d" % place["n"]
        argv = rnd.choice([[b"SET", k, v], [b"SET", k, v], [b"DEL", k], [b"MSET", k, v, rnd.choice(KEYS), v],
                           [b"RENAME", k, rnd.choice(KEYS)], [b"PEXPIRE", k, b"5"], [b"APPEND", k, b"x"]])
        try:
            place["c"].command(*argv)
        except (resp.Closed, OSError):
            place["c"] = s.connect()

    return work


def nothing_stale(caches, s, what):
    """In the end; a death is told of when it has been repaired."""
    time.sleep(0.02)  # the last keys with a time go
    c = s.connect()

    def fine():
        truth = truth_of(c)
        return not any(x.stale(truth) for x in caches)

    wait_for("nothing stale is kept (%s)" % what, fine)


def load(s, caches, seconds, meanwhile=None):
    busy = [Busy(reader(x), s) for x in caches] + [Busy(writer(s), s) for _ in range(2)]
    for b in busy:
        b.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if meanwhile:
            meanwhile()
        time.sleep(0.05)
    for b in busy:
        b.end()


def shared(start):
    """Readers and writers on three workers: what was acknowledged has been told, without any waiting."""
    with start("--workers", "3") as s:
        caches = [Cache(s) for _ in range(6)] + [Cache(s, "BCAST"), Cache(s, "BCAST", "PREFIX", "k"), Cache(s, "OPTOUT")]
        for _ in range(8):
            load(s, caches, 0.25)
            time.sleep(0.02)
            c = s.connect()
            truth = truth_of(c)
            for x in caches:
                if x.stale(truth):
                    raise Failure("%r keeps %r" % (x.mode, x.stale(truth)))
        if any(x.dropped or x.lost for x in caches):
            raise Failure("somebody had to drop all")
        check_arena(c)


def killed(start):
    """Workers are killed under load."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        caches = [Cache(s) for _ in range(6)] + [Cache(s, "BCAST", "PREFIX", "k")]
        for i in range(20):
            load(s, caches, 0.3)
            victim = random.choice(all_running(watch, 2))["pid"]
            busy = [Busy(writer(s), s), Busy(reader(caches[0]), s)]
            for b in busy:
                b.start()
            time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            all_running(watch, 2, victim)
            for b in busy:
                b.end()
            nothing_stale(caches, s, "after death %d" % i)
            if i >= 3 and any(x.dropped for x in caches) and any(x.lost for x in caches):
                break
        else:
            raise Failure("nobody noticed")
        check_arena(s.connect())


def untold(start):
    """A worker dies between its commit and telling of it: whoever keeps the old value is told to drop all."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        if watch.command("DEBUG", "CRASHPOINT", "TX_COMMITTED", "1000000").kind == "error":
            return  # a build without crash points
        for point in ("TX_COMMITTED", "TX_UNLOCKED"):
            caches = [Cache(s) for _ in range(24)]
            watch.command("SET", KEYS[0], "old")
            for x in caches:
                x.read(KEYS[0])
            w = s.connect()
            watch.command("DEBUG", "CRASHPOINT", point, "1")
            try:
                while w.command("SET", KEYS[0], "new %s" % point).kind != "error":
                    pass
            except (resp.Closed, OSError):
                pass
            nothing_stale(caches, s, point)
            if not any(x.dropped for x in caches) or not any(x.lost for x in caches):
                raise Failure("%d dropped, %d lost" % (sum(x.dropped for x in caches), sum(x.lost for x in caches)))
        check_arena(s.connect())


def moved(start):
    """Workers are replaced: clients that track stay connected, drop all, and track on."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        caches = [Cache(s) for _ in range(4)] + [Cache(s, "BCAST", "PREFIX", "k"), Cache(s, "OPTOUT", "NOLOOP")]
        target = Cache(s)
        target.expect("CLIENT", "TRACKING", "OFF")
        source = s.connect()
        source.command("CLIENT", "TRACKING", "ON", "REDIRECT", target.expect("CLIENT", "ID").value)
        info = [x.ask("CLIENT", "TRACKINGINFO") for x in caches]
        load(s, caches, 0.2)
        before = [w["pid"] for w in all_running(watch, 2)]
        os.kill(s.proc.pid, signal.SIGHUP)
        load(s, caches, 0.5)
        all_running(watch, 2, *before)
        nothing_stale(caches, s, "moved")
        if any(x.lost or not x.dropped for x in caches):
            raise Failure("lost %r, dropped %r" % ([x.lost for x in caches], [x.dropped for x in caches]))
        if [resp.show(x.ask("CLIENT", "TRACKINGINFO")) for x in caches] != [resp.show(i) for i in info]:
            raise Failure("a mode was lost")
        load(s, caches, 0.3)
        nothing_stale(caches, s, "after the move")
        target.kept = {KEYS[0]: b"?"}
        source.command("GET", KEYS[0])
        watch.command("SET", KEYS[0], "x")
        wait_for("the redirected message", lambda: target.look() or not target.kept)
        check_arena(s.connect())


def slow(start):
    """What the slow lane reads is tracked, and no push comes into the middle of its reply, nor does a message."""
    with start("--workers", "2") as s:
        c = s.connect()
        for i in range(0, 60000, 1000):
            c.command("SADD", "big", *["member:%d" % k for k in range(i, i + 1000)])
        cache, n = Cache(s), 0
        cache.c.send([b"SUBSCRIBE", b"news"])
        cache.hear(cache.c.read())
        busy = [Busy(writer(s), s)]
        other, crier = s.connect(), s.connect()
        busy.append(Busy(lambda rnd: crier.command("PUBLISH", "news", "x" * 100), s))
        busy.append(Busy(lambda rnd: other.command("SADD", "big", "more:%d" % rnd.randrange(10**9)), s))
        for b in busy:
            b.start()
        for i in range(15):
            cache.read(KEYS[i])
            seen = len(cache.expect("SMEMBERS", "big").value)
            if seen < n:
                raise Failure("%d members after %d" % (seen, n))
            n, cache.kept[b"big"] = seen, seen
        for b in busy:
            b.end()
        time.sleep(0.02)
        truth = dict(truth_of(c), big=None)
        truth[b"big"] = int(c.command("SCARD", "big").value)
        if cache.stale(truth):
            raise Failure("kept: %r" % cache.stale(truth))
        cache.read(KEYS[0])
        cache.kept[b"big"] = len(cache.expect("SMEMBERS", "big").value)
        c.command("SADD", "big", "one more")
        cache.look()
        if b"big" in cache.kept:
            raise Failure("what the lane has read is not tracked")
        check_arena(c)


SCENARIOS = {"shared": shared, "killed": killed, "untold": untold, "moved": moved, "slow": slow}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
