#!/usr/bin/env python3
"""Load that chance has put on one worker is evened out, and one heavy client is left alone: `balance.py SCENARIO build/skep`.

even    eight busy clients of one worker: some go over to the idle other, no reply is lost, and each moves once at most
alone   one busy client of a worker stays there, since the other worker would only be the busy one then
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import resp  # noqa: E402
import server  # noqa: E402
from crowd import Failure, worker_of, workers_of  # noqa: E402

LONG = 3000  # elements: to look for one that is not there takes tens of microseconds, and its reply is short
PIPELINE = 30
LIMIT_S = 60


def placed(s, watch):
    """A new connection, and the worker that accepted it."""
    c = s.connect()
    pid = worker_of(c, watch)
    return c, next(w["index"] for w in workers_of(watch)[0] if w["pid"] == pid)


def gather(s, watch, n):
    """n connections of one worker; the others are closed again."""
    mine = {}
    for _ in range(200):
        c, worker = placed(s, watch)
        mine.setdefault(worker, []).append(c)
        if len(mine[worker]) == n:
            break
    else:
        raise Failure("no worker has got %d clients" % n)
    for other in mine:
        for c in mine[other] if other != worker else ():
            c.close()
    end = time.monotonic() + LIMIT_S
    while sum(int(w["clients"]) for w in workers_of(watch)[0]) > n + 1:
        if time.monotonic() > end:
            raise Failure("closed clients are still there")
        time.sleep(0.02)
    return mine[worker], worker


class Busy(threading.Thread):
    """Asks without a pause; counts what it was told, and notes what was wrong."""

    def __init__(self, c):
        super().__init__(daemon=True)
        self.c, self.over, self.batches, self.fault = c, False, 0, None
        self.start()

    def run(self):
        try:
            while not self.over:
                name = b"%09d" % self.batches  # all at once, since it is the worker that is to be busy
                self.c.send_raw(PIPELINE * (resp.encode([b"LPOS", b"long", b"none"]) + resp.encode([b"ECHO", name])))
                wanted, got = PIPELINE * (b"$-1\r\n$9\r\n%s\r\n" % name), b""
                while len(got) < len(wanted):
                    part = self.c.sock.recv(len(wanted) - len(got))
                    if not part:
                        raise Failure("the connection was closed in batch %d" % self.batches)
                    got += part
                if got != wanted:
                    raise Failure("batch %d was answered %r" % (self.batches, got[:200]))
                self.batches += 1
        except Exception as e:  # noqa: BLE001 - whatever it was is the test's result
            self.fault = repr(e)

    def end(self):
        self.over = True
        self.join(LIMIT_S)
        if self.fault or not self.batches:
            raise Failure("a busy client: %s, after %d batches" % (self.fault, self.batches))


def start(program):
    return server.Server("%s --workers 2" % program)


def fill(watch):
    for _ in range(LONG // 100):
        watch.command("RPUSH", "long", *[b"element"] * 100)


def handovers(watch):
    return workers_of(watch)[1]["handovers"]


def even(program):
    with start(program) as s:
        watch = s.connect()
        fill(watch)
        conns, worker = gather(s, watch, 8)
        crowd = [Busy(c) for c in conns]
        end = time.monotonic() + LIMIT_S
        while handovers(watch) < 2:
            if time.monotonic() > end:
                raise Failure("nobody has moved: %r" % workers_of(watch)[0])
            time.sleep(0.1)
        time.sleep(4)
        for busy in crowd:
            busy.end()
        moved = handovers(watch)
        there = {w["index"]: int(w["clients"]) for w in workers_of(watch)[0]}
        print("worker %d had all 8; moved %d, and now %r" % (worker, moved, there))
        if moved > 8 or not there[worker]:
            raise Failure("they were moved to and fro")
        return s.health()


def alone(program):
    with start(program) as s:
        watch = s.connect()
        fill(watch)
        conns, _ = gather(s, watch, 1)
        busy = Busy(conns[0])
        time.sleep(7)
        busy.end()
        if handovers(watch):
            raise Failure("one busy client was moved")
        return s.health()


def main():
    server.install_signal_handlers(220)
    try:
        illness = {"even": even, "alone": alone}[sys.argv[1]](sys.argv[2])
    except Failure as e:
        illness = str(e)
    sys.exit(illness or 0)


if __name__ == "__main__":
    main()
