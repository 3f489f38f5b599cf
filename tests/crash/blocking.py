#!/usr/bin/env python3
"""Clients that wait for keys, across workers: every value goes to one of them, whoever dies, and in the order of coming."""

import os
import signal
import sys
import threading
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, kill, main, wait_for
import resp
import server

CONSUMERS = 8
PRODUCERS = 3


class Consumer(threading.Thread):
    """Pops until it is told to stop; connects again when its worker has died."""

    def __init__(self, s, n, ordered):
        super().__init__(daemon=True)
        self.s, self.n, self.ordered, self.got, self.broken = s, n, ordered, [], 0
        self.error = None

    def pop(self, c):
        keys = ("q1", "q2") if self.n % 2 else ("q2", "q1")
        if self.n % 4 < 2:
            r = c.command(("BLPOP", "BZPOPMIN")[self.ordered], *keys, "0")
            return r.value[1].value
        r = c.command(*(("BLMPOP", "BZMPOP")[self.ordered], "0", "2", *keys, ("LEFT", "MIN")[self.ordered]))
        item = r.value[1].value[0]
        return item.value[0].value if self.ordered else item.value

    def run(self):
        c = None
        try:
            while True:
                try:
                    c = c or self.s.connect()
                    value = self.pop(c)
                    if value.startswith(b"stop"):
                        return
                    self.got.append(value)
                except (resp.Closed, OSError):
                    self.broken += 1
                    c = None
        except Exception as e:  # told to whoever joins us
            self.error = e


def push(c, ordered, key, value):
    return c.command("ZADD", key, "1", value) if ordered else c.command("RPUSH", key, value)


class Producer(threading.Thread):
    def __init__(self, s, n, seconds, ordered):
        super().__init__(daemon=True)
        self.s, self.n, self.seconds, self.ordered = s, n, seconds, ordered
        self.pushed, self.unsure, self.error = [], [], None

    def run(self):
        try:
            c, i, end = None, 0, time.monotonic() + self.seconds
            while time.monotonic() < end:
                value = b"%d:%d" % (self.n, i)
                i += 1
                try:
                    c = c or self.s.connect()
                    if push(c, self.ordered, "q%d" % (1 + i % 2), value).kind != "int":
                        raise Failure("a push was refused")
                    self.pushed.append(value)
                except (resp.Closed, OSError):
                    self.unsure.append(value)
                    c = None
        except Exception as e:
            self.error = e


def run_crowd(s, seconds, ordered, disturb=None):
    consumers = [Consumer(s, i, ordered) for i in range(CONSUMERS)]
    producers = [Producer(s, i, seconds, ordered) for i in range(PRODUCERS)]
    for t in consumers + producers:
        t.start()
    if disturb:
        disturb()
    for p in producers:
        p.join(WAIT_S)
    c = Watch(s)

    def drained():
        return c.command("EXISTS", "q1", "q2").value == b"0"

    wait_for("the keys are empty", drained)
    for i in range(CONSUMERS):
        push(c, ordered, "q1", "stop %d" % i)
    for t in consumers:
        t.join(WAIT_S)
    for t in consumers + producers:
        if t.error:
            raise t.error
        if t.is_alive():
            raise Failure("somebody still waits")
    return consumers, producers, c


def judge(consumers, producers, c):
    got = [v for t in consumers for v in t.got]
    pushed = {v for p in producers for v in p.pushed}
    unsure = {v for p in producers for v in p.unsure}
    broken = sum(t.broken for t in consumers)
    if len(got) != len(set(got)):
        raise Failure("a value was given twice")
    if not set(got) <= pushed | unsure:
        raise Failure("a value came that nobody has pushed")
    lost = pushed - set(got)
    if len(lost) > broken:
        raise Failure("%d values are lost, and %d connections of consumers broke" % (len(lost), broken))
    if not got:
        raise Failure("nothing happened")
    check_arena(c)


def shared(start, ordered=False):
    """Nobody dies: nothing is lost."""
    with start("--workers", "2") as s:
        judge(*run_crowd(s, 3, ordered))


def killed(start, ordered=False):
    """Workers die under load. A value may go only with a connection that was to get it."""
    with start("--workers", "2") as s:
        watch = Watch(s)

        def disturb():
            dead = []
            for i in range(6):
                time.sleep(0.3)
                dead.append(all_running(watch, 2, *dead)[i % 2]["pid"])
                os.kill(dead[-1], signal.SIGKILL)
            all_running(watch, 2, *dead)

        judge(*run_crowd(s, 3, ordered, disturb))


def sorted_shared(start):
    """The same with sorted sets."""
    shared(start, True)


def sorted_killed(start):
    killed(start, True)


def order(start):
    """First come first served, over both workers, and when one who waits goes with its worker."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        c = s.connect()
        for round_ in range(3):
            waiting = []
            for i in range(8):
                w = s.connect()
                w.send([b"BLPOP", b"k", b"0"])
                wait_for("it waits", lambda: b"blocked_clients:%d\r" % (i + 1) in c.command("INFO", "clients").value)
                waiting.append(w)
            for i, w in enumerate(waiting[: 8 if round_ else 4]):
                c.command("RPUSH", "k", "%d" % i)
                if w.read().value[1].value != b"%d" % i:
                    raise Failure("not the first one was served")
            if round_:
                continue
            victim = all_running(watch, 2)[0]["pid"]
            os.kill(victim, signal.SIGKILL)
            all_running(watch, 2, victim)
            c.close()
            c = s.connect()
            alive = []
            for w in waiting[4:]:
                try:
                    if w.quiet_for(0.3):
                        alive.append(w)
                except resp.Closed:
                    pass
            for i, w in enumerate(alive):
                c.command("RPUSH", "k", "%d" % i)
                if w.read().value[1].value != b"%d" % i:
                    raise Failure("not the first of those who are left was served")
        check_arena(c)


def moved(start):
    """Workers are replaced: whoever waits goes on waiting, in the same order, with the same time-out."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        c = s.connect()
        waiting = [s.connect() for _ in range(6)]
        for i, w in enumerate(waiting):
            w.send([b"BLPOP", b"k", b"0"])
            wait_for("it waits", lambda: b"blocked_clients:%d\r" % (i + 1) in c.command("INFO", "clients").value)
        timed = s.connect()
        timed.send([b"BLPOP", b"other", b"2"])
        before = [w["pid"] for w in all_running(watch, 2)]
        os.kill(s.proc.pid, signal.SIGHUP)
        all_running(watch, 2, *before)
        for i, w in enumerate(waiting):
            c.command("RPUSH", "k", "%d" % i)
            if w.read().value[1].value != b"%d" % i:
                raise Failure("the order was lost")
        if timed.read().kind != "nullarray":
            raise Failure("the time-out brought something else")
        check_arena(c)


def refused(start):
    """Who waits, moves, and is refused where it comes to, since its command takes memory, waits no more: the next one has the value."""
    with start("--workers", "2", "--maxmemory", "20mb") as s:
        watch = Watch(s)
        c, mover, second = s.connect(), s.connect(), s.connect()
        mover.send([b"BLMOVE", b"k", b"other", b"LEFT", b"LEFT", b"0"])
        wait_for("it waits", lambda: b"blocked_clients:1\r" in c.command("INFO", "clients").value)
        fill = 0
        while c.command("SET", "fill%d" % fill, "x" * 100000).kind != "error":
            fill += 1
        before = [w["pid"] for w in all_running(watch, 2)]
        os.kill(s.proc.pid, signal.SIGHUP)
        all_running(watch, 2, *before)
        if mover.read().value[:3] != b"OOM":
            raise Failure("it was not refused")
        second.send([b"BLPOP", b"k", b"0"])
        wait_for("the second one waits", lambda: b"blocked_clients:1\r" in c.command("INFO", "clients").value)
        c.command("DEL", *["fill%d" % i for i in range(fill)])
        wait_for("there is memory", lambda: c.command("RPUSH", "k", "v").kind == "int")
        if second.read().value[1].value != b"v":
            raise Failure("the wrong value")
        if mover.command("BLMOVE", "k", "other", "LEFT", "LEFT", "0.01").value is not None:
            raise Failure("there is another value")
        check_arena(c)


def acks(start):
    """WAIT and WAITAOF go on at the next worker; who waits at one that dies is closed."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        watch = Watch(s)
        c = s.connect()
        c.command("SET", "k", "1")
        timed, acks, both = s.connect(), s.connect(), s.connect()
        id = acks.command("CLIENT", "ID").value
        timed.send([b"WAIT", b"1", b"6000"])
        acks.send([b"WAITAOF", b"1", b"1", b"0"])
        both.send([b"WAITAOF", b"1", b"1", b"6000"])
        wait_for("they wait", lambda: b"blocked_clients:3\r" in c.command("INFO", "clients").value)
        before = [w["pid"] for w in all_running(watch, 2)]
        os.kill(s.proc.pid, signal.SIGHUP)
        all_running(watch, 2, *before)
        c.command("WAITAOF", "1", "0", "0")
        if int(timed.read().value) or [int(v.value) for v in both.read().value] != [1, 0]:
            raise Failure("a time-out brought something else")
        wait_for("it is unblocked", lambda: int(c.command("CLIENT", "UNBLOCK", id).value))
        if [int(v.value) for v in acks.read().value] != [1, 0]:
            raise Failure("it waited for something else")
        acks.send([b"WAIT", b"1", b"0"])
        wait_for("it waits", lambda: b"blocked_clients:1\r" in c.command("INFO", "clients").value)
        for w in all_running(watch, 2):
            os.kill(w["pid"], signal.SIGKILL)
        try:
            raise Failure("%r though its worker is dead" % acks.read().value)
        except resp.Closed:
            pass
        again = s.connect()
        wait_for("nobody waits", lambda: b"blocked_clients:0\r" in again.command("INFO", "clients").value)
        check_arena(again)


class Pair(threading.Thread):
    """One pushes, the other waits, so slowly that both workers sleep in between."""

    def __init__(self, s, n, seconds):
        super().__init__(daemon=True)
        self.s, self.n, self.seconds, self.error, self.broken = s, n, seconds, None, 0

    def hand_over(self, waiter, pusher, value):
        key = b"pair%d:%d" % (self.n, self.broken)  # another one when a connection broke: who waited at the last one may wait still
        waiter.send([b"BLPOP", key, b"0"])
        time.sleep(0.002)
        if pusher.command("RPUSH", key, value).kind != "int":
            raise Failure("a push was refused")
        got = waiter.read(30).value[1].value
        if got != value.encode():
            raise Failure("%s came instead of %s" % (got, value))

    def run(self):
        n, conns, end = 0, None, time.monotonic() + self.seconds
        while time.monotonic() < end and not self.error:
            n += 1
            try:
                conns = conns or (self.s.connect(), self.s.connect())
                self.hand_over(*conns, "%d" % n)
            except (resp.Closed, OSError):
                self.broken += 1
                conns = None
            except Exception as e:
                self.error = e


def moves(c):
    for line in c.command("INFO", "workers").value.decode().splitlines():
        if line.startswith("handovers:"):
            return int(line.split(":")[1])
    raise Failure("INFO does not tell of handovers")


def run_pairs(s, seconds, disturb):
    pairs = [Pair(s, i, seconds) for i in range(6)]
    for t in pairs:
        t.start()
    disturb()
    for t in pairs:
        t.join(60)
        if t.error:
            raise t.error
        if t.is_alive():
            raise Failure("somebody still waits")
    return sum(t.broken for t in pairs)


def follows(start):
    """Who is always told by the other worker moves there, and notices nothing."""
    with start("--workers", "2") as s:
        c = Watch(s)
        pair = Pair(s, 0, 0)
        for _ in range(100):  # of two pairs one is on two workers
            a, b, before = s.connect(), s.connect(), moves(c)
            for i in range(40):
                pair.hand_over(a, b, "%d" % i)
            if moves(c) > before:
                break
            a.close()
            b.close()
        else:
            raise Failure("nobody has moved")
        for i in range(40):
            pair.hand_over(a, b, "%d" % i)
        if moves(c) > before + 1:
            raise Failure("it does not stay where it went")
        check_arena(c)


def follows_killed(start):
    """Workers die while clients follow: connections may go with them, values and answers stay in order."""
    with start("--workers", "2") as s:
        watch = Watch(s)

        def disturb():
            for i in range(8):
                time.sleep(0.25 + i * 0.01)
                kill(all_running(watch, 2)[i % 2]["pid"])  # unless the one before has just been noticed
            all_running(watch, 2)

        run_pairs(s, 3, disturb)
        check_arena(watch)


SCENARIOS = {
    "follows": follows,
    "follows_killed": follows_killed,
    "shared": shared,
    "killed": killed,
    "sorted_shared": sorted_shared,
    "sorted_killed": sorted_killed,
    "order": order,
    "moved": moved,
    "refused": refused,
    "acks": acks,
}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
