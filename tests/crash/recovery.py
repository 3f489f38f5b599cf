#!/usr/bin/env python3
"""Whole servers that end, and begin with what is on disk: `recovery.py SCENARIO build/skep [--seed N]`."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import Failed, Redis, command, expect, main, read, write  # noqa: E402
import resp  # noqa: E402
import server  # noqa: E402
from server import WAIT_S  # noqa: E402

ROUNDS = 4
WRITERS = 6
KEYS = 12


def info(c, section, name):
    for line in c.command("INFO", section).value.decode().splitlines():
        if line.startswith(name + ":"):
            return line[len(name) + 1 :]
    raise Failed("INFO %s has no %s" % (section, name))


class Skep:
    """A server whose folder outlives its processes."""

    def __init__(self, program, *extra):
        self.server = server.Server(os.path.abspath(program) + " --workers 2", [str(e) for e in extra])
        self.dir = self.server.dir

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def start(self, *files):
        self.server.start()
        c = self.server.connect()
        end = time.monotonic() + WAIT_S
        while c.command("GET", "x").kind == "error":  # -LOADING
            if time.monotonic() > end:
                raise Failed("it is loading for ever")
            time.sleep(0.01)
        return c

    def kill(self):
        """All its processes at once: they are a session of their own."""
        os.killpg(self.server.proc.pid, signal.SIGKILL)
        self.server.proc.wait()
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and self.alive():
            time.sleep(0.01)

    def alive(self):
        try:
            os.killpg(self.server.proc.pid, 0)
            return True
        except (ProcessLookupError, PermissionError):
            return False

    def end(self):
        self.server.proc.send_signal(signal.SIGTERM)
        expect("exit code", 0, self.server.proc.wait(WAIT_S))

    def ends_by_itself(self):
        """Started with what it should refuse: its exit code and its last words."""
        args = self.server.words + ["--port", str(server.free_port()), "--bind", "127.0.0.1", "--dir", self.dir, "--save", ""]
        done = subprocess.run(args + self.server.extra, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        return done.returncode, done.stderr.decode() + done.stdout.decode()

    def log(self):
        return read(self.server.log).decode("utf-8", "replace")


# ---- what was acknowledged ----


class Writer(threading.Thread):
    """Changes keys of its own and notes what they must be: as of the last reply, and as of the command under way."""

    def __init__(self, port, number, seed, state):
        super().__init__(daemon=True)
        self.port, self.number, self.r = port, number, random.Random(seed)
        self.state, self.next, self.done = state, None, 0
        self.strange = None

    def key(self):
        return b"w%d:%d" % (self.number, self.r.randrange(KEYS))

    def change(self):
        """A command, and the keys after it."""
        after, k, r = dict(self.state), self.key(), self.r
        kind = r.randrange(6)
        if kind == 0:
            v = r.randbytes(r.choice((3, 40, 5000)))
            after[k] = v
            return (b"SET", k, v), after
        if kind == 1:
            pairs = {self.key(): b"m%d" % r.randrange(1000) for _ in range(4)}
            after.update(pairs)
            return (b"MSET", *sum(pairs.items(), ())), after
        if kind == 2:
            gone = {self.key() for _ in range(2)}
            for g in gone:
                after.pop(g, None)
            return (b"DEL", *gone), after
        if kind == 3:
            more = b"+%d" % r.randrange(1000)
            after[k] = after.get(k, b"") + more
            return (b"APPEND", k, more), after
        if kind == 4:
            n = b"w%d:n" % self.number
            after[n] = b"%d" % (int(after.get(n, b"0")) + 7)
            return (b"INCRBY", n, b"7"), after
        if k not in after:
            after[k] = b"new"
            return (b"SET", k, b"new"), after
        to = self.key()
        after[to] = after.pop(k)
        return (b"RENAME", k, to), after

    def run(self):
        try:
            c = resp.Connection(port=self.port)
            while True:
                argv, self.next = self.change()
                answer = c.command(*argv)
                if answer.kind == "error":
                    self.strange = "%r: %r" % (argv[0], answer.value)
                    return
                self.state, self.next = self.next, None
                self.done += 1
        except (resp.Closed, resp.Timeout, OSError):
            return


def look(c, number):
    keys = [b"w%d:%d" % (number, i) for i in range(KEYS)] + [b"w%d:n" % number]
    values = [v.value for v in c.command("MGET", *keys).value]
    return {k: v for k, v in zip(keys, values) if v is not None}


def acknowledged(program, *args):
    """appendfsync always, and all processes killed in the middle: what was acknowledged is there, and of what was not
    the whole or nothing."""
    seed = int(args[1]) if len(args) > 1 else random.randrange(1 << 30)
    r = random.Random(seed)
    states = [{} for _ in range(WRITERS)]
    with Skep(program, "--appendonly", "yes", "--appendfsync", "always") as s:
        s.start().close()
        for turn in range(ROUNDS):
            writers = [Writer(s.server.port, i, r.random(), states[i]) for i in range(WRITERS)]
            for w in writers:
                w.start()
            time.sleep(r.uniform(0.3, 1.2))
            end = time.monotonic() + WAIT_S
            while not any(w.done or w.strange for w in writers) and time.monotonic() < end:
                time.sleep(0.01)
            s.kill()
            for w in writers:
                w.join(WAIT_S)
                if w.strange:
                    raise Failed("seed %d: an answer: %s" % (seed, w.strange))
            c = s.start()
            for w in writers:
                found = look(c, w.number)
                if found != w.state and found != w.next:
                    raise Failed("seed %d, turn %d, writer %d after %d commands:\n  was   %r\n  next  %r\n  found %r"
                                 % (seed, turn, w.number, w.done, w.state, w.next, found))
                states[w.number] = found
            expect("the arena", "status", c.command("DEBUG", "ARENA", "CHECK").kind)
            c.close()
            if not sum(w.done for w in writers):
                raise Failed("nobody has written anything")
        s.end()


# ---- files of redis-server, and reloading ----


def fill(c, n=2000):
    c.send_raw(b"".join(command("SET", "k%d" % i, "v%d" % i) for i in range(n)) + command("SET", "t", 1, "PX", 5000000))
    for _ in range(n + 1):
        c.read()


def told(program, *_):
    """With appendfsync always nobody reads what is not on disk: nor through the keys that SORT's patterns name."""
    from crowd import children_of
    sort = ["SORT", "list", "BY", "nosort", "GET", "k*"]
    readers = {"SORT": [sort], "EXEC": [["MULTI"], sort, ["EXEC"]],
               "a script": [["EVAL", "return redis.call('sort', 'list', 'by', 'nosort', 'get', 'k*')", "0"]],
               "a script in EXEC": [["MULTI"], ["EVAL", "return redis.call('sort', 'list', 'by', 'nosort', 'get', 'k*')", "0"], ["EXEC"]]}
    with Skep(program, "--appendonly", "yes", "--appendfsync", "always", "--worker-watchdog-ms", "60000") as s:
        c = s.start()
        c.command("RPUSH", "list", "1")
        writer = [pid for pid, title in children_of(s.server.proc.pid).items() if "log writer" in title]
        expect("the log's writer", 1, len(writer))
        os.kill(writer[0], signal.SIGSTOP)
        looks = resp.Connection(port=s.server.port)
        before = info(looks, "persistence", "wal_position")
        c.send([b"SET", b"k1", b"new"])
        while info(looks, "persistence", "wal_position") == before:
            time.sleep(0.001)
        asked = {}
        for what, commands in readers.items():
            asked[what] = resp.Connection(port=s.server.port)
            for words in commands:
                asked[what].send([w.encode() for w in words])
        for what, r in asked.items():
            for _ in readers[what][:-1]:
                r.read()
            try:
                raise Failed("%s was told %r before it was on disk" % (what, r.read(0.3).value))
            except resp.Timeout:
                pass
        os.kill(writer[0], signal.SIGCONT)
        expect("SET", b"OK", c.read().value)
        for what, r in asked.items():
            answer = r.read().value
            expect(what, b"new", (answer[0].value[0] if "EXEC" in what else answer[0]).value)
        s.end()


def imported(program, *_):
    """Redis's files become a log of our own: the next start needs them no more."""
    tail = command("SET", "aof", 1) + command("INCR", "aof")
    for name, data in (("dump.rdb", None), ("appendonly.aof", tail)):
        with Redis() as redis, Skep(program, "--appendonly", "yes") as s:
            if data is None:
                redis.pipe([command("SET", "aof", 2)] + [command("SET", "k%d" % i, i) for i in range(1000)])
                redis.do("SAVE")
                data = read(os.path.join(redis.dir, "dump.rdb"))
            write(os.path.join(s.dir, name), data)
            c = s.start()
            expect("what was imported", b"2", c.command("GET", "aof").value)
            n = int(c.command("DBSIZE").value)
            c.command("SET", "own", "1")
            c.close()
            s.end()
            os.unlink(os.path.join(s.dir, name))
            c = s.start()
            expect("from the log", [b"2", b"1"], [v.value for v in c.command("MGET", "aof", "own").value])
            expect("all keys", n + 1, int(c.command("DBSIZE").value))
            c.close()
            s.end()


def reloaded(program, *_):
    """DEBUG RELOAD and DEBUG LOADAOF give the same keys again, and the log goes on behind them."""
    with Skep(program, "--appendonly", "yes", "--appendfsync", "everysec") as s:
        c = s.start()
        fill(c)
        for what in ("RELOAD", "LOADAOF", "RELOAD"):
            before = c.command("PEXPIRETIME", "t").value
            answer = c.command("DEBUG", what)
            expect("DEBUG " + what, (b"OK", "status"), (answer.value, answer.kind))
            expect("keys", 2001, int(c.command("DBSIZE").value))
            expect("a value", b"v77", c.command("GET", "k77").value)
            expect("an expiry", before, c.command("PEXPIRETIME", "t").value)
            c.command("SET", "after", what)
            expect("a key more", 2002, int(c.command("DBSIZE").value))
            c.command("DEL", "after")
        c.command("SET", "after", "1")
        c.close()
        s.end()
        c = s.start()
        expect("after a restart", [b"1", b"v77"], [v.value for v in c.command("MGET", "after", "k77").value])
        expect("keys", 2002, int(c.command("DBSIZE").value))
        c.close()
        s.end()


def refused(program, *_):
    """What cannot be loaded ends the start with 1 and says why; the files stay as they are."""
    cases = [
        ((), {"dump.rdb": b"REDIS0009 what is this"}, "dump.rdb"),
        (("--appendonly", "yes"), {"appendonly.aof": b"SET a b\r\n"}, "Bad file format reading the append only file"),
        (("--appendonly", "yes"), {"skep-wal/0000000000000001.wal": b"x"}, "The log is damaged"),
        (("--appendonly", "yes"), {"skep-wal/base-0000000000000001.rdb": b"x"}, "base-0000000000000001.rdb"),
    ]
    for extra, files, why in cases:
        with Skep(program, *extra) as s:
            for name, data in files.items():
                write(os.path.join(s.dir, name), data)
            code, said = s.ends_by_itself()
            expect("exit code with %r" % files, 1, code)
            if why not in said:
                raise Failed("with %r it says %s" % (files, said))
            for name, data in files.items():
                expect(name, data, read(os.path.join(s.dir, name)))


def everysec(program, *_):
    """A clean end loses nothing, whatever the policy; nor does the death of all but the log's writer."""
    for policy in ("everysec", "no"):
        with Skep(program, "--appendonly", "yes", "--appendfsync", policy) as s:
            c = s.start()
            fill(c)
            c.close()
            s.end()
            c = s.start()
            expect("keys", 2001, int(c.command("DBSIZE").value))
            fill(c, 3000)
            c.close()
            # The master alone: the writer sees it and writes what is left.
            os.kill(s.server.proc.pid, signal.SIGKILL)
            s.server.proc.wait()
            c = s.start()
            expect("keys after the master's death", 3001, int(c.command("DBSIZE").value))
            c.close()
            s.end()


def written(program, *_):
    """What the kernel has been given outlives all processes, synced or not."""
    for policy in ("no", "everysec"):
        with Skep(program, "--appendonly", "yes", "--appendfsync", policy) as s:
            c = s.start()
            for n in (2001, 3001):
                fill(c, n - 1)
                while info(c, "persistence", "wal_written_position") != info(c, "persistence", "wal_position"):
                    time.sleep(0.001)
                c.close()
                s.kill()
                c = s.start()
                expect("keys with appendfsync %s" % policy, n, int(c.command("DBSIZE").value))
            c.close()
            s.end()


SCENARIOS = {s.__name__: s for s in (acknowledged, told, imported, reloaded, refused, everysec, written)}

if __name__ == "__main__":
    main(SCENARIOS, sys.argv)
