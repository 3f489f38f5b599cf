#!/usr/bin/env python3
"""Workers are killed under load: no acknowledged change is lost, and idle clients keep their connections."""

import os
import random
import signal
import sys
import time

from crowd import Crowd, Failure, Watch, all_running, check_arena, main, workers_of
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
            n = 0
            while time.monotonic() < end:
                time.sleep(rng.uniform(0.2, 0.5))
                crowd.alive()
                victim = rng.choice(all_running(watch, 2))
                try:
                    os.kill(victim["pid"], rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV)))
                    n += 1
                except ProcessLookupError:
                    pass  # the one before has just been noticed
        for i, c in enumerate(idle):
            if c.command("ECHO", "still %d" % i).value != b"still %d" % i:
                raise Failure("idle client %d got a wrong answer" % i)
        all_running(watch, 2)
        crowd.check_ledger(watch)
        _, counters = workers_of(watch)
        if not n // 2 <= counters["crashes_repaired"] <= n or not counters["sessions_kept"]:
            raise Failure("%d kills, but %r" % (n, counters))
        check_arena(watch)
        print("%d kills, %d acknowledged, last repair %d us, longest pause %.0f ms"
              % (n, crowd.acked(), counters["last_repair_us"], crowd.longest_ms()))


def bystanders(start):
    """A client of the other worker hardly notices."""
    with start("--workers", "2") as s:
        watch = s.connect()
        mine = [w["pid"] for w in workers_of(watch)[0] if int(w["clients"])][0]
        other = [w["pid"] for w in workers_of(watch)[0] if w["pid"] != mine][0]
        longest = 0.0
        for i in range(2000):
            if i == 1000:
                os.kill(other, signal.SIGKILL)
            began = time.monotonic()
            watch.command("SET", "k%d" % (i % 100), "v")
            longest = max(longest, time.monotonic() - began)
        all_running(watch, 2)
        print("longest pause of a bystander: %.1f ms" % (longest * 1000))
        if longest > 1.0:  # no figure, which a busy machine would break: only that nobody waits for a repair
            raise Failure("a bystander waited %.0f ms" % (longest * 1000))


if __name__ == "__main__":
    sys.exit(main({"kills": kills, "bystanders": bystanders}, server.Server))
