#!/usr/bin/env python3
"""Transactions under kills: `bank.py SCENARIO build/skep`. Money moves between accounts of two databases, and its sum never
changes, whoever dies: neither for those who look on nor after a restart."""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crowd import WAIT_S, all_running, check_arena, children_of, renew, wait_for, workers_of  # noqa: E402
from loading import Failed, expect, main  # noqa: E402
from recovery import Skep  # noqa: E402
import resp  # noqa: E402

ACCOUNTS, TELLERS, EACH = 12, 6, 1000
TOTAL = 2 * ACCOUNTS * EACH
SECONDS = 5


class Client(threading.Thread):
    """Works in turns, and connects anew when its worker has died."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.r = port, random.Random(seed)
        self.c, self.stopping, self.done, self.broken, self.wrong = None, False, 0, 0, None

    def ask(self, *commands):
        self.c.send_raw(b"".join(resp.encode([str(a).encode() for a in argv]) for argv in commands))
        return [self.c.read() for _ in commands]

    def run(self):
        while not self.stopping and not self.wrong:
            try:
                self.c = self.c or resp.Connection(port=self.port)
                self.turn()
            except (resp.Closed, resp.Timeout, OSError):
                self.broken += 1
                self.c = None
                time.sleep(0.01)
            except Exception as e:  # any other error is the test's
                self.wrong = repr(e)

    def stop(self):
        self.stopping = True
        self.join(WAIT_S)
        if self.wrong:
            raise Failed(self.wrong)


class Teller(Client):
    """Moves an amount from one account to another, perhaps in the other database, in one of several ways."""

    def turn(self):
        r = self.r
        a, b = r.randrange(2 * ACCOUNTS), r.randrange(2 * ACCOUNTS)
        amount = r.randrange(1, 50)
        moves = [["SELECT", a % 2], ["DECRBY", "acc%d" % (a // 2), amount], ["SET", "note%d" % a, "x" * r.choice((5, 3000))],
                 ["SELECT", b % 2], ["INCRBY", "acc%d" % (b // 2), amount]]
        kind = r.randrange(20)
        if kind == 0:
            moves += [["DBSIZE"], ["KEYS", "acc*"]]  # behind the gate
        elif kind == 1:
            moves += [["SWAPDB", 2, 3], ["SELECT", 3], ["SET", "k", amount], ["FLUSHDB"]]
        elif kind == 2:
            moves += [["INCR", "many"]] * 1100  # too long for a worker
        elif kind == 3:
            moves = [["SELECT", a % 2], ["DECRBY", "acc%d" % (a // 2), amount], ["INCRBY", "acc%d" % (a // 2), amount]]
        answers = self.ask(["MULTI"], *moves, ["EXEC"])
        last = answers[-1]
        if last.kind == "error" and b"not known" in last.value:  # the lane has died
            self.broken += 1
        elif last.kind != "array" or len(last.value) != len(moves):
            self.wrong = "EXEC answered %r" % last.value
        else:
            self.done += 1


class Auditor(Client):
    """Adds up all accounts in one transaction."""

    def turn(self):
        looks = [w for db in (0, 1) for w in (["SELECT", db], ["MGET"] + ["acc%d" % i for i in range(ACCOUNTS)])]
        done = self.ask(["MULTI"], *looks, ["EXEC"])[-1]
        if done.kind == "error" and b"not known" in done.value:  # the lane that had it has died
            self.broken += 1
            return
        answer = done.value
        total = sum(int(v.value) for i in (1, 3) for v in answer[i].value)
        if total != TOTAL:
            self.wrong = "the sum is %d" % total
        self.done += 1


class Counter(Client):
    """Adds one by WATCH, GET, SET: nobody's addition may be lost."""

    def turn(self):
        n = int(self.ask(["WATCH", "counter"], ["GET", "counter"])[1].value or 0)
        self.pending = True
        done = self.ask(["MULTI"], ["SET", "counter", n + 1], ["EXEC"])[-1]
        if done.kind == "error":
            self.wrong = "EXEC answered %r" % done.value
        self.done += done.value is not None


def total(c):
    n = 0
    for db in (0, 1):
        c.command("SELECT", str(db))
        n += sum(int(v.value) for v in c.command("MGET", *["acc%d" % i for i in range(ACCOUNTS)]).value)
    c.command("SELECT", "0")
    return n


def open_accounts(c):
    for db in ("1", "0"):
        c.command("SELECT", db)
        c.command("MSET", *[w for i in range(ACCOUNTS) for w in ("acc%d" % i, str(EACH))])


def kill_some(s, r, seconds, everybody=False):
    """Kills workers, and with everybody the lane as well."""
    watch = resp.Connection(port=s.server.port)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        time.sleep(r.uniform(0.2, 0.6))
        try:
            victim = r.choice(all_running(watch, 2))["pid"]
            if everybody and r.randrange(3) == 0:
                victim = lane_of(s)
            os.kill(victim, signal.SIGKILL)
            n += 1
        except (resp.Closed, OSError, ProcessLookupError):
            watch = resp.Connection(port=s.server.port)
    return n


def everybody_works(crowd):
    wait_for("everybody has done something", lambda: all(t.done or t.wrong for t in crowd))


def lane_of(s):
    for pid, title in children_of(s.server.proc.pid).items():
        if "lane" in title:
            return pid
    raise ProcessLookupError


def kills(program, *args):
    seed = int(args[1]) if len(args) > 1 else random.randrange(1 << 30)
    r = random.Random(seed)
    with Skep(program, "--appendonly", "yes", "--appendfsync", "always") as s:
        c = s.start()
        open_accounts(c)
        for turn in range(2):
            crowd = [Teller(s.server.port, r.random()) for _ in range(TELLERS)] + [Auditor(s.server.port, r.random())]
            for t in crowd:
                t.start()
            n = kill_some(s, r, SECONDS, everybody=True)
            everybody_works(crowd)
            if turn:  # in the middle, all at once
                s.kill()
            for t in crowd:
                t.stop()
            if not turn:
                c = resp.Connection(port=s.server.port)
                expect("seed %d: the sum after %d kills" % (seed, n), TOTAL, total(c))
                expect("the arena", "status", c.command("DEBUG", "ARENA", "CHECK").kind)
        c = s.start()
        expect("seed %d: the sum after the restart" % seed, TOTAL, total(c))
        print("%d transfers, %d audits, %d connections broken"
              % (sum(t.done for t in crowd[:-1]), crowd[-1].done, sum(t.broken for t in crowd)))
        c.close()
        s.end()


def counted(program, *args):
    seed = int(args[1]) if len(args) > 1 else random.randrange(1 << 30)
    r = random.Random(seed)
    with Skep(program) as s:
        c = s.start()
        crowd = [Counter(s.server.port, r.random()) for _ in range(TELLERS)]
        for t in crowd:
            t.start()
        kill_some(s, r, SECONDS)
        for t in crowd:
            t.stop()
        c = resp.Connection(port=s.server.port)
        value, done, broken = int(c.command("GET", "counter").value), sum(t.done for t in crowd), sum(t.broken for t in crowd)
        if not done <= value <= done + broken:
            raise Failed("seed %d: %d additions were told, at most %d not, and the counter is %d" % (seed, done, broken, value))
        check_arena(c)
        print("%d additions, %d connections broken" % (done, broken))


def moved(program, *_):
    """A client that changes its worker keeps what it has queued and what it watches."""
    with Skep(program) as s:
        c = s.start()
        queued, watching, spoiled, dirty = [resp.Connection(port=s.server.port) for _ in range(4)]
        for argv in (["SET", "w", "1"], ["SET", "v", "1"]):
            c.command(*argv)
        watching.command("WATCH", "w", "nothing")
        spoiled.command("WATCH", "v", "nothing")
        queued.command("SELECT", "2")
        for argv in (["MULTI"], ["SET", "a", "x" * 100000], ["STRLEN", "a"], ["PING", ""]):
            queued.command(*argv)
        dirty.command("MULTI")
        dirty.command("NOSUCH")
        renew(s.server.proc.pid)
        renew(s.server.proc.pid)
        c.command("SET", "v", "2")
        for one in (watching, spoiled):
            one.command("MULTI")
            one.command("GET", "w")
        renew(s.server.proc.pid)
        expect("what was queued", ["OK", "100000", ""], [v.value.decode() for v in queued.command("EXEC").value])
        expect("what was watched and not changed", [b"1"], [v.value for v in watching.command("EXEC").value])
        expect("what was watched and changed", None, spoiled.command("EXEC").value)
        expect("what was refused", "error", dirty.command("EXEC").kind)
        expect("its database", b"x" * 100000, queued.command("GET", "a").value)
        check_arena(c)


def bound(program, *_):
    """The worker's death ends a client that has queued or watches: to lose that in silence is worse."""
    with Skep(program) as s:
        c = s.start()
        for first in (["MULTI"], ["WATCH", "k"]):
            one = resp.Connection(port=s.server.port)
            one.command(*first)
            for w in workers_of(c)[0]:
                try:
                    os.kill(w["pid"], signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                answer = one.command("EXEC")
                raise Failed("%r was forgotten: %r" % (first, answer.value))
            except (resp.Closed, OSError):
                pass
            wait_for("they run again", lambda: all_running(resp.Connection(port=s.server.port), 2))
            c = resp.Connection(port=s.server.port)


if __name__ == "__main__":
    sys.exit(main({"kills": kills, "counted": counted, "moved": moved, "bound": bound}, sys.argv))
