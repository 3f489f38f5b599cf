#!/usr/bin/env python3
"""The deaths of every other kind of process, and of processes that do not die but hang."""

import os
import signal
import sys
import threading
import time

from crowd import (
    WAIT_S, Crowd, Failure, Watch, all_running, check_arena, children_of, exists, kill, main, pid_of, wait_for,
    worker_of, workers_of,
)
import resp
import server


def master(start):
    """Everything ends with the master."""
    with start("--workers", "2") as s:
        crowd = Crowd(s.port, 4, 4, may_lose=True)
        for c in crowd.clients:
            c.start()
        wait_for("children", lambda: len(children_of(s.proc.pid)) >= 3)
        children = list(children_of(s.proc.pid))
        os.kill(s.proc.pid, signal.SIGKILL)
        for c in crowd.clients:
            c.stopping, c.may_lose = True, False
        wait_for("all children end", lambda: not any(exists(p) for p in children))
        s.proc.wait(WAIT_S)
        crowd.stop(raising=False)


def lane(start):
    """A slow lane dies at work: its client gets an answer of some kind, and the next command works."""
    with start("--workers", "2") as s:
        a, b = s.connect(), s.connect()
        a.command("DEBUG", "POPULATE", "300000")
        for _ in range(3):
            old = pid_of(s, "skep: slow lane 0")
            a.send([b"KEYS", b"*"])
            time.sleep(0.005)
            os.kill(old, signal.SIGKILL)
            if b.command("PING").kind != "status":
                raise Failure("a bystander got no PONG")
            try:
                a.read()
            except resp.Closed:  # half of the reply was sent already: it cannot become an error
                a = s.connect()
            wait_for("a new slow lane", lambda: old not in children_of(s.proc.pid))
            keys = wait_for("KEYS works again", lambda: a.command("KEYS", "key:1??").kind == "array")
        assert keys
        check_arena(b)


def repairer(start):
    """Whoever appears right after a worker's death is killed: the repairer, if we are quick enough."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        with Crowd(s.port, 6, 8, may_lose=True) as crowd:
            for _ in range(6):
                victim = all_running(watch, 2)[0]["pid"]
                known = set(children_of(s.proc.pid))
                kill(victim)
                end = time.monotonic() + 0.05
                path = "/proc/%d/task/%d/children" % (s.proc.pid, s.proc.pid)
                while time.monotonic() < end:
                    with open(path) as f:
                        new = [int(p) for p in f.read().split() if int(p) not in known]
                    if new:
                        kill(new[0])  # unless it has done its work
                        break
                time.sleep(0.2)
                crowd.alive()
            all_running(watch, 2)
        with open(s.log) as f:
            hit = f.read().count("The repair of slot")
        crowd.check_ledger(watch)
        check_arena(watch)
        print("%d repairers were hit" % hit)


def hangs(start):
    """A stopped worker is killed by the watchdog; its idle clients go on with another."""
    with start("--workers", "2", "--worker-watchdog-ms", "4000") as s:
        clients = [s.connect() for _ in range(8)]
        victim = all_running(clients[0], 2)[0]["pid"]
        # Of the one that is answered last nobody knows whether its worker has done with it: let it be none of ours.
        for c in clients + [s.connect() for _ in range(30)]:
            c.command("PING")
        os.kill(victim, signal.SIGSTOP)
        for c in clients:
            if c.command("PING").kind != "status":
                raise Failure("no PONG")
        wait_for("the stopped worker ends", lambda: not exists(victim))
        all_running(clients[0], 2)


def backoff(start):
    """A worker that keeps dying is started less and less often; meanwhile every new connection is served."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        mine = worker_of(watch, watch)
        post = [w for w in all_running(watch, 2) if w["pid"] != mine][0]["index"]
        title = "skep: worker %d" % post
        stop = threading.Event()

        def kill_all():
            while not stop.is_set():
                for pid, t in children_of(s.proc.pid).items():
                    if t == title:
                        kill(pid)
                time.sleep(0.02)

        killer = threading.Thread(target=kill_all, daemon=True)
        killer.start()
        try:
            began, served = time.monotonic(), 0
            time.sleep(1)
            while time.monotonic() < began + 5 or (served < 20 and time.monotonic() < began + WAIT_S):
                c = s.connect()
                try:
                    served += c.command("PING").kind == "status"
                except resp.Closed:
                    pass  # it was the dying one's
                c.close()
                time.sleep(0.02)
        finally:
            stop.set()
            killer.join(WAIT_S)
        took = time.monotonic() - began
        _, counters = workers_of(watch)
        if counters["crashes_repaired"] > 8 * took or served < 20:
            raise Failure("%d restarts in %.0f s, %d connections served" % (counters["crashes_repaired"], took, served))
        wait_for("worker %d is back" % post, lambda: any(w["index"] == post for w in all_running(watch, 2)))


def rebuild(start):
    """crash-policy rebuild: after SIGABRT the keyspace is empty, after SIGKILL it is not; the pid stays."""
    with start("--workers", "2", "--crash-policy", "rebuild") as s:
        c = Watch(s)
        c.command("SET", "a", "1")
        mine = worker_of(c, c)
        victim = [w for w in all_running(c, 2) if w["pid"] != mine][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        all_running(c, 2, victim)
        if c.command("GET", "a").value != b"1":
            raise Failure("SIGKILL cost a key")
        os.kill(all_running(c, 2)[0]["pid"], signal.SIGABRT)  # sanitizers turn SIGSEGV into an exit code

        def empty():
            try:
                return s.connect().command("DBSIZE", timeout=3).value == b"0"
            except (OSError, resp.Closed, resp.Timeout):
                return False

        wait_for("an empty server answers", empty)
        if s.proc.poll() is not None:
            raise Failure("the master has ended")
        all_running(s.connect(), 2)


if __name__ == "__main__":
    sys.exit(main({"master": master, "lane": lane, "repairer": repairer, "hangs": hangs, "backoff": backoff,
                   "rebuild": rebuild}, server.Server))
