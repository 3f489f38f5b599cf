#!/usr/bin/env python3
"""Workers are killed under load: no acknowledged change is lost, and idle clients keep their connections."""

import os
import random
import signal
import sys
import time

from crowd import Crowd, Failure, Watch, all_running, check_arena, kill, main, worker_of, workers_of
import server

IDLE = 30


def kills(start):
    with start("--workers", "2") as s:
        idle = [s.connect() for _ in range(IDLE)]
        for c in idle:
            c.command("PING")
        watch = Watch(s)
        with Crowd(s.port, 12, 16, may_lose=True) as crowd:
            rng = random.Random(1)
            end = time.monotonic() + 6
            dead = []
            while time.monotonic() < end:
                time.sleep(rng.uniform(0.2, 0.5))
                crowd.alive()
                # The one before may not have been noticed yet: it cannot be killed twice.
                victims = [w["pid"] for w in all_running(watch, 2) if w["pid"] not in dead]
                if victims:
                    dead.append(rng.choice(victims))
                    kill(dead[-1], rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV)))
        for i, c in enumerate(idle):
            if c.command("ECHO", "still %d" % i).value != b"still %d" % i:
                raise Failure("idle client %d got a wrong answer" % i)
        all_running(watch, 2, *dead)
        crowd.check_ledger(watch)
        _, counters = workers_of(watch)
        if counters["crashes_repaired"] != len(dead) or not counters["sessions_kept"]:
            raise Failure("%d kills, but %r" % (len(dead), counters))
        check_arena(watch)
        print("%d kills, %d acknowledged, last repair %d us, longest pause %.0f ms"
              % (len(dead), crowd.acked(), counters["last_repair_us"], crowd.longest_ms()))


def bystanders(start):
    """A client of the other worker waits for no repair: the master, which would see to it, stands still."""
    with start("--workers", "2") as s:
        watch = s.connect()
        mine = worker_of(watch, watch)
        victim = [w["pid"] for w in all_running(watch, 2) if w["pid"] != mine][0]
        os.kill(s.proc.pid, signal.SIGSTOP)
        try:
            os.kill(victim, signal.SIGKILL)
            for i in range(1000):
                if watch.command("SET", "k%d" % (i % 100), "v").kind != "status":
                    raise Failure("a bystander is refused")
        finally:
            os.kill(s.proc.pid, signal.SIGCONT)
        all_running(watch, 2, victim)


if __name__ == "__main__":
    sys.exit(main({"kills": kills, "bystanders": bystanders}, server.Server))
