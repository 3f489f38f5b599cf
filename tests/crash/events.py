#!/usr/bin/env python3
"""Keyspace events of keys that several workers change: each subscriber is told of all changes, in the order in which they were made."""

import os
import random
import signal
import sys
import threading
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, main, on_another, workers_of
import resp
import server

PLAIN, EXEC, SCRIPT, LANE, BRIEF = range(5)
SET = b"return redis.call('SETNX', KEYS[1], 'x')"
END = resp.encode([b"pmessage", b"end", b"end", b"over"])
DEL = b"return redis.call('DEL', KEYS[1])"


def pair(key):
    return [[b"SETNX", key, b"x"], [b"DEL", key]]


def commands(kind, key):
    """Requests, and for each whether its reply, or its reply's elements, tell of changes. More than 1000 in one EXEC run in the lane."""
    if kind == PLAIN:
        return [(r, True) for r in pair(key) * 300]
    if kind == BRIEF:
        return [([b"SET", key, b"x", b"NX", b"PX", b"1"], True), ([b"GET", key], False)] * 60
    if kind == SCRIPT:
        return [([b"EVAL", SET, b"1", key], True), ([b"EVAL", DEL, b"1", key], True)] * 5
    queued = (pair(key) * 600)[:1101] if kind == LANE else pair(key) * 3 + pair(key)[:1]
    return [([b"MULTI"], False)] + [(r, False) for r in queued] + [([b"EXEC"], True)]


def changes(reply):
    if isinstance(reply.value, list):
        return sum(map(changes, reply.value))
    return {b"OK": 1, None: 0}[reply.value] if reply.kind != "int" else int(reply.value)


def read_bytes(c, n):
    """Such as a reply's value, of known length."""
    got = b""
    while len(got) < n:
        more = c.sock.recv(n - len(got))
        if not more:
            raise resp.Closed()
        got += more
    return got


class Writer(threading.Thread):
    """Makes a key and deletes it, as often as the others let it, and counts how often it did. lost: how often it has lost its
    connection, and does not know what of its last round was done."""

    def __init__(self, s, kind, keys, rounds):
        super().__init__(daemon=True)
        self.s, self.kind, self.keys, self.rounds = s, kind, keys, rounds
        self.made, self.lost, self.stopping, self.error = dict.fromkeys(keys, 0), 0, False, None

    def round(self, c, key):
        wanted = commands(self.kind, key)
        c.send_raw(b"".join(resp.encode(r) for r, _ in wanted))
        if self.kind == PLAIN:  # each reply is :0 or :1, and to look at them one by one would be most of the work
            self.made[key] += read_bytes(c, 4 * len(wanted)).count(b":1\r\n")
            return
        for _, tells in wanted:
            reply = c.read()
            if reply.kind == "error":
                raise Failure("%r" % reply.value)
            self.made[key] += changes(reply) if tells else 0

    def run(self):
        c = None
        try:
            for i in range(self.rounds):
                if self.stopping:
                    return
                try:
                    c = c or self.s.connect()
                    self.round(c, self.keys[i % len(self.keys)])
                except (resp.Closed, OSError):
                    self.lost, c = self.lost + 1, None
        except Exception as e:  # told to whoever joins us
            self.error = e


class Listener(threading.Thread):
    """What happened to each key, until the end is said; whoever dies with its worker is closed."""

    def __init__(self, s, keys):
        super().__init__(daemon=True)
        self.c, self.seen, self.closed = s.connect(), {k: [] for k in keys}, False
        self.c.send([b"PSUBSCRIBE", b"__keyspace@0__:*", b"end"])  # patterns, so that all messages have as many lines
        self.c.read()
        self.c.read()

    def run(self):
        got, end = bytearray(), -1
        try:
            while end < 0 and not self.closed:
                more = self.c.sock.recv(1 << 20)
                self.closed = not more
                got += more
                end = got.find(END, max(len(got) - len(more) - len(END), 0))
        except OSError:
            self.closed = True
        lines = bytes(got[: end if end >= 0 else got.rfind(b"*4")]).split(b"\r\n")  # the last one may be torn
        for i in range(8, len(lines), 9):
            self.seen[lines[i - 2].split(b":", 1)[1]].append(lines[i])

    def check(self):
        for key, events in self.seen.items():
            for i, e in enumerate(events):
                if e != (b"del" if i % 2 else b"set"):
                    raise Failure("%s: event %d of %d is %s behind %r" % (key, i, len(events), e, events[max(i - 4, 0):i]))


def load(s, watch, kinds, keys, rounds, meanwhile):
    """Writers of these kinds; what they did, and who has heard of it."""
    listeners = [Listener(s, keys) for _ in range(6)]
    writers = [Writer(s, kind, keys, rounds[kind]) for kind in kinds]
    for t in listeners + writers:
        t.start()
    meanwhile(writers)
    for t in writers:
        t.join(WAIT_S)
    watch.command("PUBLISH", "end", "over")
    for t in listeners:
        t.join(WAIT_S)
    for t in writers + listeners:
        if t.is_alive():
            raise Failure("a %s does not end" % type(t).__name__)
    for w in writers:
        if w.error:
            raise Failure("a writer: %r" % w.error)
    return writers, listeners


def all_seen(writers, listeners, keys):
    made = {k: sum(w.made[k] for w in writers) for k in keys}
    for t in listeners:
        t.check()
        if t.closed or any(len(t.seen[k]) != made[k] for k in keys):
            raise Failure("%r were made, a subscriber has seen %r" % (made, {k: len(t.seen[k]) for k in keys}))
    print("%r changes" % made)


def order(start):
    """Of one key all see each change that was answered, in the order of the changes: alone, in EXEC, in scripts, in the slow lane."""
    keys = [b"a", b"b"]
    with start("--workers", "3", "--notify-keyspace-events", "KA") as s:
        watch = s.connect()
        kinds = [PLAIN, EXEC, SCRIPT, LANE] * 2 + [PLAIN]
        writers, listeners = load(s, watch, kinds, keys, {PLAIN: 30, EXEC: 100, SCRIPT: 60, LANE: 3}, lambda _: None)
        all_seen(writers, listeners, keys)
        check_arena(watch)


def moved(start):
    """Workers are replaced meanwhile, so writers and subscribers change theirs: the order is the same, and nothing is missed."""
    keys = [b"a", b"b"]

    def roll(writers):
        for _ in range(3):
            before = [w["pid"] for w in workers_of(watch)[0]]
            os.kill(s.proc.pid, signal.SIGHUP)
            all_running(watch, 3, *before)
        for w in writers:
            w.stopping = True

    with start("--workers", "3", "--notify-keyspace-events", "KA") as s:
        watch = s.connect()
        endless = {PLAIN: 1000000, EXEC: 1000000, SCRIPT: 1000000}
        writers, listeners = load(s, watch, [PLAIN, EXEC, SCRIPT] * 2, keys, endless, roll)
        if any(w.lost for w in writers):
            raise Failure("a connection was lost")
        all_seen(writers, listeners, keys)
        check_arena(watch)


def killed(start):
    """Workers die meanwhile: who is still there has been told of each change that was made, answered or not."""
    keys = [b"a", b"b"]

    def kill(writers):
        kills = 0
        while kills < 4 or not any(w.lost for w in writers):
            kills += 1
            time.sleep(0.1)
            victim = random.choice([w for w in workers_of(watch)[0] if w["index"] < 2])["pid"]
            os.kill(victim, signal.SIGKILL)
            all_running(watch, 3, victim)
        for w in writers:
            w.stopping = True

    with start("--workers", "3", "--notify-keyspace-events", "KA") as s:
        watch = Watch(s)
        writers, listeners = load(s, watch, [PLAIN] * 4 + [EXEC] * 2, keys, {PLAIN: 1000000, EXEC: 1000000}, kill)
        there = [t for t in listeners if not t.closed]
        for t in listeners:
            t.check()
        for t in there:
            for k in keys:
                n, made = len(t.seen[k]), sum(w.made[k] for w in writers)
                if n < made or any(t.seen[k] != other.seen[k] for other in there):
                    raise Failure("%d were answered, a subscriber has seen %d" % (made, n))
                if n % 2 != int(watch.command("EXISTS", k).value):
                    raise Failure("the last change was not told")
        check_arena(watch)
        print("%d of %d subscribers were closed" % (len(listeners) - len(there), len(listeners)))


def expired(start):
    """Keys that live for a millisecond: whoever removes them, a read, a write or the cycle, nobody hears of their end behind what comes then."""
    keys = [b"e", b"f"]
    wanted = [b"set", b"expire", b"expired"]
    with start("--workers", "3", "--notify-keyspace-events", "KA") as s:
        watch = s.connect()
        writers, listeners = load(s, watch, [BRIEF] * 6, keys, {BRIEF: 250}, lambda _: None)
        made = {k: sum(w.made[k] for w in writers) for k in keys}
        for t in listeners:
            for k in keys:
                for i, e in enumerate(t.seen[k]):
                    if e != wanted[i % 3]:
                        raise Failure("%s: event %d of %d is %s behind %r" % (k, i, len(t.seen[k]), e, t.seen[k][max(i - 4, 0):i]))
                if t.closed:
                    raise Failure("a subscriber was closed")
                if (len(t.seen[k]) + 2) // 3 != made[k]:
                    raise Failure("%d times made, a subscriber has seen %d events" % (made[k], len(t.seen[k])))
        check_arena(watch)
        print("%r times made" % made)


def full(start):
    """A worker stands still until its inbox is full: writers do not wait for it, its subscribers are closed, and the others are told of all."""
    key, rounds = b"k" * 1000000, 80
    with start("--workers", "2", "--worker-watchdog-ms", "60000", "--notify-keyspace-events", "E$") as s:
        watch = s.connect()
        pids = [w["pid"] for w in workers_of(watch)[0]]
        ours = [on_another(s, pids[1], watch) for _ in range(3)]
        theirs = [on_another(s, pids[0], watch) for _ in range(3)]
        for c in ours[:2] + theirs:
            c.command("SUBSCRIBE", "__keyevent@0__:set")
        os.kill(pids[1], signal.SIGSTOP)
        try:
            for _ in range(rounds):
                if ours[2].command("SET", key, "x").value != b"OK":
                    raise Failure("a write is refused")
                for c in ours[:2]:
                    if c.read().value[-1].value != key:
                        raise Failure("a wrong event")
        finally:
            os.kill(pids[1], signal.SIGCONT)
        for c in theirs:
            got = 0
            try:
                while True:
                    got += c.read().value[-1].value == key
            except resp.Closed:
                pass
            if got >= rounds:
                raise Failure("nothing was left out")
        ours[2].command("DEL", key)
        check_arena(ours[2])


def transactions(start, rounds, sets, extra):
    """A transaction that cannot end is run again. What its first try has done to a watched key is no change by somebody else."""
    nils = []

    def write(key):
        c = s.connect()
        requests = [[b"WATCH", key], [b"MULTI"]] + sets(key) + [[b"EXEC"]]
        for _ in range(rounds):
            c.send_raw(b"".join(map(resp.encode, requests)))
            nils.append([c.read() for _ in requests][-1].value is None)

    with start("--workers", "3", "--notify-keyspace-events", "KEA", *extra) as s:
        watch = s.connect()
        listeners = [Listener(s, []) for _ in range(6)]
        writers = [threading.Thread(target=write, args=(b"w%d" % i,), daemon=True) for i in range(6)]
        for t in writers:
            t.start()
        for t in writers:
            t.join(WAIT_S)
        for t in listeners:
            t.c.close()
        if len(nils) != len(writers) * rounds:
            raise Failure("a writer does not end")
        if any(nils):
            raise Failure("%d of %d transactions came to nothing, and nobody else has changed their keys" % (sum(nils), len(nils)))
        check_arena(watch)


def watched(start):
    """They find inboxes latched."""
    transactions(start, 600, lambda key: [[b"SET", key, b"x"]], [])


def watched_long(start):
    """In the slow lane they find the log's ring full."""
    transactions(start, 30, lambda key: [[b"SET", key, b"x" * 3000]] * 1100, ["--appendonly", "yes"])


SCENARIOS = {"order": order, "full": full, "moved": moved, "expired": expired, "killed": killed, "watched": watched, "watched_long": watched_long}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
