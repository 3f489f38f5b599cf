#!/usr/bin/env python3
"""Rolling restart and upgrade under load: not one error, lost or doubled reply, or reconnect."""

import os
import shutil
import signal
import sys
import time

import pubsub
from crowd import Crowd, Failure, all_running, check_arena, main, wait_for, workers_of
import server

CLIENTS = 50


class Movable(server.Server):
    """Runs a copy of the binary, so that the copy can be replaced."""

    def __init__(self, command, extra=()):
        super().__init__(command, extra)
        self.binary = os.path.join(self.dir, "skep")
        self.original = self.words[0]
        shutil.copy(self.original, self.binary)
        self.words[0] = self.binary

    def install(self, path):
        shutil.copy(path, self.binary + ".new")
        os.rename(self.binary + ".new", self.binary)


def version(connection):
    for line in connection.command("INFO", "server").value.decode().splitlines():
        if line.startswith("skep_version:"):
            return line.partition(":")[2]
    return ""


def pids(connection):
    return {w["pid"] for w in workers_of(connection)[0]}


def finish(s, watch, crowd):
    crowd.stop()
    crowd.check_ledger(watch)
    check_arena(watch)
    _, counters = workers_of(watch)
    if counters["crashes_repaired"]:
        raise Failure("a worker died: %r" % counters)
    if not counters["handovers"]:
        raise Failure("no session was handed over")
    print("%d acknowledged, %d handovers, longest batch %.0f ms"
          % (crowd.acked(), counters["handovers"], crowd.longest_ms()))


def rolling(start):
    with start("--workers", "2") as s:
        watch = s.connect()
        all_running(watch, 2)
        quiet = s.connect()
        quiet.command("CLIENT", "SETNAME", "quiet")
        half = s.connect()
        half.send_raw(b"*2\r\n$4\r\nECHO\r\n$5\r\nhe")  # half a request travels as well
        with Crowd(s.port, CLIENTS, 16) as crowd:
            for _ in range(3):
                time.sleep(0.5)
                before = pids(watch)
                os.kill(s.proc.pid, signal.SIGHUP)
                all_running(watch, 2, *before)
                crowd.alive()
            time.sleep(0.3)
            finish(s, watch, crowd)
        half.send_raw(b"llo\r\n")
        if half.read().value != b"hello":
            raise Failure("half a request was lost")
        if quiet.command("CLIENT", "GETNAME").value != b"quiet":
            raise Failure("a session lost its name")


def upgrade(start, following, *_):
    with start("--workers", "2") as s:
        watch = s.connect()
        all_running(watch, 2)
        watch.command("CONFIG", "SET", "maxmemory-samples", "7")
        was = version(watch)
        feed = pubsub.Feed(s, 6)
        with Crowd(s.port, CLIENTS, 16) as crowd:
            time.sleep(0.5)
            before = pids(watch)
            s.install(following)
            os.kill(s.proc.pid, signal.SIGUSR2)
            all_running(watch, 2, *before)
            wait_for("the new version shows", lambda: version(watch) != was)
            time.sleep(0.5)
            before = pids(watch)  # and back again: the old binary takes over from the new one
            s.install(s.original)
            os.kill(s.proc.pid, signal.SIGUSR2)
            all_running(watch, 2, *before)
            wait_for("the old version shows again", lambda: version(watch) == was)
            finish(s, watch, crowd)
        if feed.finish():
            raise Failure("%d subscribers were closed" % feed.closed)
        if watch.command("CONFIG", "GET", "maxmemory-samples").value[1].value != b"7":
            raise Failure("CONFIG SET was forgotten")


def refused(start, _following, other_layout):
    with start("--workers", "2") as s:
        watch = s.connect()
        all_running(watch, 2)
        before = pids(watch)
        with Crowd(s.port, 8, 4) as crowd:
            for n, bad in enumerate((other_layout, "/bin/true", "/bin/sh", __file__), 1):
                s.install(bad)
                os.kill(s.proc.pid, signal.SIGUSR2)
                wait_for("a log line", lambda: open(s.log).read().count("is refused") == n)
            crowd.alive()
        if pids(watch) != before:
            raise Failure("workers were replaced")
        if "layout" not in open(s.log).read():
            raise Failure("the log does not speak of the layout")


if __name__ == "__main__":
    sys.exit(main({"rolling": rolling, "upgrade": upgrade, "refused": refused}, Movable))
