#!/usr/bin/env python3
"""Real file systems that refuse: one that is full, one that is read-only, a directory without rights. In a mount namespace
of the test's own; where the machine allows none, the test is skipped (exit code 77). NAME SERVER"""

import os
import random
import signal
import subprocess
import sys

from crowd import Failure, check_arena, main, wait_for
from persist import Lasting, expect, info

INSIDE = "SKEP_TEST_NAMESPACE"
SKIPPED = 77
FILLER_BYTES = 12 << 20


def enter_namespace():
    """Starts this program again where it may mount."""
    if INSIDE in os.environ:
        return
    try:
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    except OSError:
        probe = None
    if not probe or probe.returncode:
        print("skipped: no mount namespace can be had here")
        sys.exit(SKIPPED)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-rm", sys.executable] + sys.argv)


class Mounted(Lasting):
    """A server whose directory is a file system of 32 MB. Root may write anywhere, so it runs without root's rights."""

    def __init__(self, command, extra=()):
        words = "setpriv --inh-caps=-all --bounding-set=-all %s" % os.path.abspath(command)
        super().__init__(words, extra)
        self.data = os.path.join(self.dir, "data")
        os.mkdir(self.data)
        self.mount("-t", "tmpfs", "-o", "size=32m,mode=755", "none")
        self.extra += ["--dir", self.data]

    def mount(self, *argv):
        subprocess.run(["mount", *argv, self.data], check=True)

    def stop(self):
        subprocess.run(["umount", "-l", self.data], check=False)
        super().stop()

    def path(self, name):
        return os.path.join(self.data, name)


class Ledger:
    """SETs ever new keys; knows what was acknowledged."""

    def __init__(self, c, bytes_each):
        # Nothing that could be packed: there would be room for ever.
        self.c, self.value, self.acked = c, random.Random(1).randbytes(bytes_each), 0

    def step(self):
        answer = self.c.command("SET", "key:%d" % self.acked, self.value)
        if answer.kind == "error":
            if not answer.value.startswith(b"MISCONF"):
                raise Failure("%r" % answer.value)
            return False
        self.acked += 1
        return True

    def check(self, c):
        for i in range(self.acked):
            if int(c.command("STRLEN", "key:%d" % i).value) != len(self.value):
                raise Failure("key:%d of %d acknowledged ones is lost" % (i, self.acked))


def refused(c, *argv):
    answer = c.command(*argv)
    if answer.kind != "error" or not answer.value.startswith(b"MISCONF"):
        raise Failure("%r: %r" % (argv, answer.value))


def full(start):
    """No room for the log: writes are refused until there is room again, and nothing acknowledged is lost."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:
        c, reader = s.connect(), s.connect()
        with open(s.path("filler"), "wb") as f:
            os.posix_fallocate(f.fileno(), 0, FILLER_BYTES)
        ledger = Ledger(c, 100 << 10)
        for _ in range(1000):
            if not ledger.step():
                break
        else:
            raise Failure("100 MB fit into 20")
        refused(reader, "PING")
        expect(reader, ":%d" % len(ledger.value), "STRLEN", "key:0")
        os.unlink(s.path("filler"))
        wait_for("writes are taken again", ledger.step)
        for _ in range(5):
            if not ledger.step():
                raise Failure("a write is refused though there is room")
        check_arena(reader)
        s.end(signal.SIGKILL)
        s.again()
        ledger.check(s.connect())


def accepted(c, *argv):
    """Another snapshot may be under way for a moment after its outcome is known."""
    wait_for("%s begins" % argv[0], lambda: c.command(*argv).kind == "status")


def failing_saves(s, c):
    """While the directory takes no file: BGSAVE fails, then writes are refused and reads go on."""
    expect(c, "+OK", "CONFIG", "SET", "save", "3600 1000")
    accepted(c, "BGSAVE")
    wait_for("it fails", lambda: info(c, "rdb_last_bgsave_status") == "err")
    refused(c, "SET", "a", "2")
    expect(c, '"1"', "GET", "a")


def saves_again(c):
    accepted(c, "BGSAVE")
    wait_for("it works", lambda: info(c, "rdb_last_bgsave_status") == "ok")
    expect(c, "+OK", "SET", "a", "2")


def read_only(start):
    """Saves fail for as long as nothing can be written."""
    with start("--workers", "2") as s:
        c = s.connect()
        expect(c, "+OK", "SET", "a", "1")
        s.mount("-t", "tmpfs", "-o", "ro", "none")  # over it, since its lock file is open for writing
        failing_saves(s, c)
        subprocess.run(["umount", s.data], check=True)
        saves_again(c)
        expect(c, "+OK", "SAVE")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"2"', "GET", "a")


def rights(start):
    """The log goes on in the file that it has; a new base cannot be made."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:
        c = s.connect()
        expect(c, "+OK", "SET", "a", "1")
        folders = [s.data, s.path("skep-wal")]
        for folder in folders:
            os.chmod(folder, 0o555)
        accepted(c, "BGREWRITEAOF")
        wait_for("it fails", lambda: info(c, "aof_last_bgrewrite_status") == "err")
        expect(c, "+OK", "SET", "b", "1")
        failing_saves(s, c)
        for folder in folders:
            os.chmod(folder, 0o755)
        saves_again(c)
        accepted(c, "BGREWRITEAOF")
        wait_for("it works", lambda: info(c, "aof_last_bgrewrite_status") == "ok")
        s.end(signal.SIGKILL)
        s.again()
        c = s.connect()
        expect(c, '"2"', "GET", "a")
        expect(c, '"1"', "GET", "b")


if __name__ == "__main__":
    enter_namespace()
    sys.exit(main({"full": full, "read_only": read_only, "rights": rights}, Mounted))
