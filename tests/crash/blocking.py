#!/usr/bin/env python3
"""Clients that wait for keys, across workers: every value goes to one of them, whoever dies, and in the order of coming."""

import os
import signal
import sys
import threading
import time

from crowd import Failure, Watch, all_running, check_arena, main, wait_for
import resp
import server

CONSUMERS = 8
PRODUCERS = 3


class Consumer(threading.Thread):
    """Pops until it is told to stop; connects again when its worker has died."""

    def __init__(self, s, n):
        super().__init__(daemon=True)
        self.s, self.n, self.got, self.broken = s, n, [], 0
        self.error = None

    def run(self):
        c = None
        try:
            while True:
                try:
                    c = c or self.s.connect()
                    keys = ("q1", "q2") if self.n % 2 else ("q2", "q1")
                    if self.n % 4 < 2:
                        r = c.command("BLPOP", *keys, "0", timeout=60)
                        value = r.value[1].value
                    else:
                        r = c.command("BLMPOP", "0", "2", *keys, "LEFT", timeout=60)
                        value = r.value[1].value[0].value
                    if value == b"stop":
                        return
                    self.got.append(value)
                except (resp.Closed, OSError):
                    self.broken += 1
                    c = None
        except Exception as e:  # told to whoever joins us
            self.error = e


class Producer(threading.Thread):
    def __init__(self, s, n, seconds):
        super().__init__(daemon=True)
        self.s, self.n, self.seconds = s, n, seconds
        self.pushed, self.unsure, self.error = [], [], None

    def run(self):
        try:
            c, i, end = None, 0, time.monotonic() + self.seconds
            while time.monotonic() < end:
                value = b"%d:%d" % (self.n, i)
                i += 1
                try:
                    c = c or self.s.connect()
                    if c.command("RPUSH", "q%d" % (1 + i % 2), value).kind != "int":
                        raise Failure("RPUSH was refused")
                    self.pushed.append(value)
                except (resp.Closed, OSError):
                    self.unsure.append(value)
                    c = None
        except Exception as e:
            self.error = e


def run_crowd(s, seconds, disturb=None):
    consumers = [Consumer(s, i) for i in range(CONSUMERS)]
    producers = [Producer(s, i, seconds) for i in range(PRODUCERS)]
    for t in consumers + producers:
        t.start()
    if disturb:
        disturb()
    for p in producers:
        p.join(60)
    c = Watch(s)

    def drained():
        return c.command("EXISTS", "q1", "q2").value == b"0"

    wait_for("the lists are empty", drained)
    for t in consumers:
        c.command("RPUSH", "q1", "stop")
    for t in consumers:
        t.join(30)
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


def shared(start):
    """Nobody dies: nothing is lost."""
    with start("--workers", "2") as s:
        judge(*run_crowd(s, 3))


def killed(start):
    """Workers die under load. A value may go only with a connection that was to get it."""
    with start("--workers", "2") as s:
        watch = Watch(s)

        def disturb():
            for i in range(6):
                time.sleep(0.3)
                os.kill(all_running(watch, 2)[i % 2]["pid"], signal.SIGKILL)
            all_running(watch, 2)

        judge(*run_crowd(s, 3, disturb))


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
                if w.read(10).value[1].value != b"%d" % i:
                    raise Failure("not the first one was served")
            if round_:
                continue
            os.kill(all_running(watch, 2)[0]["pid"], signal.SIGKILL)
            all_running(watch, 2)
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
                if w.read(10).value[1].value != b"%d" % i:
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
        before = {w["pid"] for w in all_running(watch, 2)}
        os.kill(s.proc.pid, signal.SIGHUP)
        wait_for("new workers", lambda: not before & {w["pid"] for w in all_running(watch, 2)})
        for i, w in enumerate(waiting):
            c.command("RPUSH", "k", "%d" % i)
            if w.read(10).value[1].value != b"%d" % i:
                raise Failure("the order was lost")
        if timed.read(10).kind != "nullarray":
            raise Failure("the time-out brought something else")
        check_arena(c)


if __name__ == "__main__":
    sys.exit(main({"shared": shared, "killed": killed, "order": order, "moved": moved}, server.Server))
