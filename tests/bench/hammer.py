#!/usr/bin/env python3
"""Everything at once, for minutes: mixed commands of many clients, while workers and slow lanes are killed, workers
are replaced, and memory is limited now so and now so.

    hammer.py build-test/skep --seconds 600
    hammer.py build-san/skep --seconds 180        a build with -DSKEP_SANITIZE=ON

In the end the arena must be whole, nobody may have ended but by our hand, and memory must be where it was at the
start. Run by hand: it takes as long as one likes.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import resp  # noqa: E402
import server  # noqa: E402

POLICIES = ("noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl"
            ).split()
KEYS = 4000


class Hammer(threading.Thread):
    """One client: random commands in small pipelines. It looks at the shape of replies only: what they say, others
    change at the same time."""

    def __init__(self, port, seed, stop):
        super().__init__(daemon=True)
        self.port, self.random, self.stop = port, random.Random(seed), stop
        self.commands = self.lost = 0
        self.errors = {}
        self.wrong = None

    def key(self):
        return b"k%d" % self.random.randrange(KEYS)

    def value(self):
        r = self.random.random()
        n = 20 if r < 0.6 else 300 if r < 0.9 else 9000 if r < 0.98 else 300000 if r < 0.998 else 3 << 20
        return bytes([self.random.randrange(65, 91)]) * self.random.randrange(1, n)

    def command(self):
        k, r = self.key(), self.random
        n = b"%d" % r.randrange(1, 100000)
        small = b"%d" % r.randrange(1, 900)
        rare = [
            lambda: [b"FLUSHALL"], lambda: [b"FLUSHDB"], lambda: [b"SWAPDB", b"0", b"1"], lambda: [b"KEYS", b"*1*"],
            lambda: [b"SELECT", b"%d" % r.randrange(3)], lambda: [b"MSET"] + [x for _ in range(5000)
                                                                           for x in (self.key(), b"m" * 50)],
            lambda: [b"DEL"] + [self.key() for _ in range(5000)], lambda: [b"INFO"], lambda: [b"CLIENT", b"LIST"],
            lambda: [b"LCS", k, self.key()], lambda: [b"SETRANGE", k, n + b"0", self.value()],
            lambda: [b"FLUSHALL", b"ASYNC"], lambda: [b"COPY", k, self.key(), b"DB", b"2", b"REPLACE"],
        ]
        often = [
            lambda: [b"SET", k, self.value()], lambda: [b"SET", k, self.value(), b"PX", n], lambda: [b"GET", k],
            lambda: [b"SET", k, n, b"GET"], lambda: [b"INCR", k], lambda: [b"APPEND", k, self.value()],
            lambda: [b"SETRANGE", k, small, self.value()], lambda: [b"GETRANGE", k, b"5", n], lambda: [b"GETDEL", k],
            lambda: [b"GETEX", k, b"PX", n], lambda: [b"DEL", k, self.key()], lambda: [b"UNLINK", k],
            lambda: [b"RENAME", k, self.key()], lambda: [b"COPY", k, self.key(), b"REPLACE"],
            lambda: [b"MSET", k, self.value(), self.key(), self.value()], lambda: [b"MSETNX", k, n, self.key(), n],
            lambda: [b"MGET"] + [self.key() for _ in range(20)], lambda: [b"EXPIRE", k, b"1"],
            lambda: [b"PEXPIRE", k, small], lambda: [b"PERSIST", k], lambda: [b"SCAN", n, b"COUNT", small],
            lambda: [b"RANDOMKEY"], lambda: [b"DBSIZE"], lambda: [b"EXISTS", k, self.key()], lambda: [b"OBJECT",
                                                                                                     b"ENCODING", k],
            lambda: [b"INCRBYFLOAT", k, b"1.5"], lambda: [b"STRLEN", k], lambda: [b"TTL", k], lambda: [b"MOVE", k, b"1"],
        ]
        return r.choice(rare)() if r.random() < 0.002 else r.choice(often)()

    def run(self):
        while not self.stop.is_set() and not self.wrong:
            try:
                c = resp.Connection(port=self.port)
                try:
                    self.serve(c)
                finally:
                    c.close()
            except (resp.Closed, OSError):
                self.lost += 1
                time.sleep(0.05)
            except resp.Timeout:
                self.wrong = "no reply for 60 s"
            except ValueError as e:
                self.wrong = "not a reply: %s" % e

    def serve(self, c):
        while not self.stop.is_set():
            batch = [self.command() for _ in range(self.random.choice((1, 1, 4, 30, 200)))]
            c.send_raw(b"".join(resp.encode(a) for a in batch))
            for a in batch:
                answer = c.read(60)
                self.commands += 1
                if answer.kind == "error":
                    word = answer.value.split()[0] + b" " + a[0]
                    self.errors[word] = answer.value


class Disturber:
    """Kills, replaces and configures; counts what it killed."""

    def __init__(self, s, seed):
        self.s, self.random, self.kills = s, random.Random(seed), 0

    def ask(self, *argv):
        for _ in range(100):
            try:
                c = self.s.connect()
                try:
                    return c.command(*argv, timeout=60)
                finally:
                    c.close()
            except (resp.Closed, OSError):
                time.sleep(0.05)
        raise SystemExit("the server answers nobody")

    def kill(self, what):
        out = subprocess.run(["ps", "--ppid", str(self.s.proc.pid), "-o", "pid=,args="], capture_output=True, text=True)
        pids = [int(line.split()[0]) for line in out.stdout.splitlines() if what in line]
        if pids:
            try:
                os.kill(self.random.choice(pids), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass

    def step(self):
        r = self.random.random()
        if r < 0.45:
            self.kill("skep: worker")
        elif r < 0.6:
            self.kill("slow lane")
        elif r < 0.7:
            self.s.proc.send_signal(signal.SIGHUP)
        elif r < 0.85:
            self.ask("CONFIG", "SET", "maxmemory", self.random.choice(("0", "0", "40mb", "10mb", "3mb")))
        else:
            self.ask("CONFIG", "SET", "maxmemory-policy", self.random.choice(POLICIES))


def figure(d, section, name):
    for line in d.ask("INFO", section).value.decode().splitlines():
        if line.startswith(name + ":"):
            return int(line.split(":")[1])
    raise SystemExit("INFO has no " + name)


def empty(d):
    """FLUSHALL, and the memory when the slow lane has freed all of it."""
    d.ask("CONFIG", "SET", "maxmemory", "0")
    d.ask("FLUSHALL")
    least = None
    for _ in range(100):
        now = figure(d, "memory", "used_memory")
        least = now if least is None or now < least else least
        time.sleep(0.1)
    return least


def findings(s, d, began, ended, hammers):
    text = open(s.log, "rb").read().decode("utf-8", "replace")
    for line in text.splitlines():
        m = re.search(r"was ended by signal (\d+)|ended with exit code|died soon|Watchdog|Sanitizer|runtime error|CHECK|"
                      r"repair of slot \d+ failed|rebuild", line)
        if m and m.group(1) != "9" and "died soon" not in line:
            yield "the log says: " + line
    for h in hammers:
        if h.wrong:
            yield h.wrong
    check = d.ask("DEBUG", "ARENA", "CHECK")
    if check.kind == "error":
        yield "DEBUG ARENA CHECK: " + check.value.decode()
    ctl = os.path.join(os.path.dirname(s.words[0]), "skepctl")
    out = subprocess.run([ctl, "--port", str(s.port), "check"], capture_output=True, text=True)
    print("skepctl check: %d %s" % (out.returncode, (out.stdout + out.stderr).strip().splitlines()[-1:]))
    if out.returncode:
        yield "skepctl check: " + out.stdout + out.stderr
    if ended > began + (1 << 20):
        yield "used memory grew from %d to %d bytes" % (began, ended)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("server")
    p.add_argument("--seconds", type=int, default=600)
    p.add_argument("--clients", type=int, default=20)
    p.add_argument("--pause", type=float, default=2.0, help="seconds between two disturbances, about")
    p.add_argument("--seed", type=int, default=int(time.time()))
    o = p.parse_args()
    print("seed %d" % o.seed)
    with server.Server(o.server, ["--workers", "2", "--slow-lanes", "2"]) as s:
        d = Disturber(s, o.seed)
        began = empty(d)
        stop = threading.Event()
        hammers = [Hammer(s.port, o.seed * 1000 + i, stop) for i in range(o.clients)]
        for h in hammers:
            h.start()
        end = time.monotonic() + o.seconds
        while time.monotonic() < end and not any(h.wrong for h in hammers):
            time.sleep(d.random.uniform(0, 2 * o.pause))
            d.step()
        stop.set()
        for h in hammers:
            h.join(70)
        ended = empty(d)
        errors = {}
        for h in hammers:
            errors.update(h.errors)
        print("commands %d  connections lost %d  kills %d  repaired %d  used memory %d -> %d"
              % (sum(h.commands for h in hammers), sum(h.lost for h in hammers), d.kills,
                 figure(d, "workers", "crashes_repaired"), began, ended))
        for word, text in sorted(errors.items()):
            print("  error replies: %s: %s" % (word.decode(), text.decode("latin-1")[:100]))
        bad = list(findings(s, d, began, ended, hammers))
        if bad:
            with open("/tmp/hammer-%d.log" % o.seed, "wb") as f:
                f.write(open(s.log, "rb").read())
        for line in bad:
            print("FOUND " + line)
    if s.bad_end:
        print("FOUND " + s.bad_end)
    sys.exit(1 if bad or s.bad_end else 0)


if __name__ == "__main__":
    server.install_signal_handlers()
    main()
