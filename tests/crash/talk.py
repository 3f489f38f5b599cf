#!/usr/bin/env python3
"""The master's talk with its children when it is slow to answer, and when descriptors run out."""

import os
import resource
import signal
import sys
import time

from crowd import Failure, Watch, check_arena, children_of, main, wait_for, workers_of
import resp
import server


class Stopped:
    """The master stands still meanwhile; what is said to it waits."""

    def __init__(self, s):
        self.pid = s.proc.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def holders(pids, path):
    """Those who have the file open, which has perhaps another name by now."""
    wanted = os.stat(path)
    found = []
    for pid in pids:
        try:
            for fd in os.listdir("/proc/%d/fd" % pid):
                st = os.stat("/proc/%d/fd/%s" % (pid, fd))
                if (st.st_dev, st.st_ino) == (wanted.st_dev, wanted.st_ino):
                    found.append(pid)
        except OSError:
            pass
    return found


def reopened(start):
    """The slow lane awaits an answer when it is told to use another log file: both are heard."""
    with start("--workers", "2", "--logfile", "skep.log") as s:
        c = s.connect()
        log = os.path.join(s.dir, "skep.log")
        for i in range(5):
            os.rename(log, log + ".%d" % i)
            with Stopped(s):
                c.send([b"CONFIG", b"REWRITE"])
                time.sleep(0.1)
                os.kill(s.proc.pid, signal.SIGUSR1)
            answer = c.read(5)
            if answer.value != b"ERR The server is running without a config file":
                raise Failure("%r" % answer.value)
            wait_for("all write to the new file", lambda: not holders(children_of(s.proc.pid), log + ".%d" % i), 5)
        check_arena(c)


def crowded(start):
    """A worker without a free descriptor is given the clients of one that has died: it closes what it cannot take."""
    with start("--workers", "2") as s:
        idle = [s.connect() for _ in range(60)]
        for c in idle:
            c.command("PING")
        watch = Watch(s)

        def running(index):
            return wait_for("worker %d runs" % index, lambda: [
                w["pid"] for w in workers_of(watch)[0] if w["index"] == index and w["state"] == "running"])[0]

        first = running(0)
        os.kill(first, signal.SIGKILL)
        second = wait_for("a new worker 0", lambda: running(0) != first and running(0))
        taker = running(1)
        limits = resource.prlimit(taker, resource.RLIMIT_NOFILE)
        count = len(os.listdir("/proc/%d/fd" % taker)) + 5
        resource.prlimit(taker, resource.RLIMIT_NOFILE, (count, limits[1]))
        # The second death within seconds makes the replacement wait, so the clients go to the other worker.
        os.kill(second, signal.SIGKILL)
        wait_for("a client is refused", lambda: "cannot be taken over" in s.log_tail(200))
        resource.prlimit(taker, resource.RLIMIT_NOFILE, limits)
        wait_for("a worker 0 again", lambda: running(0) != second)
        lost = 0
        for i, c in enumerate(idle):
            try:
                if c.command("ECHO", "%d" % i).value != b"%d" % i:
                    raise Failure("a wrong answer")
            except resp.Closed:
                lost += 1
        if not 0 < lost < len(idle):
            raise Failure("%d of %d clients were closed" % (lost, len(idle)))
        _, counters = workers_of(watch)
        if counters["crashes_repaired"] != 2:
            raise Failure("%r" % counters)
        listed = watch.command("CLIENT", "LIST").value.splitlines()
        if len(listed) > len(idle) - lost + 2:
            raise Failure("%d clients are listed, %d of %d were closed" % (len(listed), lost, len(idle)))
        check_arena(watch)
        print("%d clients were closed" % lost)


if __name__ == "__main__":
    sys.exit(main({"reopened": reopened, "crowded": crowded}, server.Server))
