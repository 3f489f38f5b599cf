#!/usr/bin/env python3
"""What other clients notice of values of hundreds of megabytes.

    big_values.py build/skep              starts a server of two workers, lets one client set, read and change
                                          long values, and prints the longest answers of two bystanders: one
                                          of the same worker, one of the other
    big_values.py redis-server            the same beside it (both bystanders are the one process's)
    big_values.py build/skep --mb 64

Run by hand: figures of a busy machine say little, and no test may fail for them.
"""

import argparse
import multiprocessing
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402


class Plain:
    """A client that can read and write long replies without keeping them."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def line(self):
        while b"\r\n" not in self.buf:
            got = self.sock.recv(1 << 16)
            if not got:
                raise OSError("closed")
            self.buf += got
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def reply(self):
        """One reply; of a bulk string only its length."""
        line = self.line()
        if line[:1] == b"-":
            raise SystemExit("error: " + line.decode())
        if line[:1] != b"$" or line == b"$-1":
            return line
        left = int(line[1:]) + 2 - len(self.buf)
        if left < 0:
            self.buf = self.buf[left:]
            return line
        self.buf = b""
        scratch = memoryview(bytearray(1 << 20))
        while left:
            n = self.sock.recv_into(scratch, min(left, 1 << 20))
            if not n:
                raise OSError("closed")
            left -= n
        return line

    def send(self, *argv):
        out = [b"*%d\r\n" % len(argv)]
        for a in argv:
            a = a if isinstance(a, (bytes, bytearray, memoryview)) else str(a).encode()
            if len(a) < 65536:
                out.append(b"$%d\r\n%s\r\n" % (len(a), bytes(a)))
            else: # not joined with what stands around it: that would copy it
                self.sock.sendall(b"".join(out) + b"$%d\r\n" % len(a))
                self.sock.sendall(a)
                out = [b"\r\n"]
        self.sock.sendall(b"".join(out))

    def ask(self, *argv):
        self.send(*argv)
        return self.reply()


def bystander(port, pipe):
    """A GET every millisecond; answers each message with the longest."""
    c = Plain(port)
    pipe.send("ready")
    longest = 0.0
    while True:
        t = time.perf_counter()
        c.ask("GET", "bystander")
        longest = max(longest, time.perf_counter() - t)
        if pipe.poll():
            if pipe.recv() == "end":
                return
            pipe.send(longest)
            longest = 0.0
        time.sleep(0.001)


class Bystander:
    def __init__(self, port):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=bystander, args=(port, other), daemon=True)
        self.process.start()
        self.pipe.recv()

    def longest(self):
        self.pipe.send("tell")
        return self.pipe.recv() * 1e3

    def end(self):
        self.pipe.send("end")
        self.process.join(5)


def loads(port):
    """How many clients each worker has; redis-server is one worker."""
    c = Plain(port)
    c.send("INFO", "workers")
    c.line()
    rows = []
    while not rows or not (line.startswith(b"handovers") or line == b""):
        line = c.line()
        if line.startswith(b"worker") and b":pid=" in line:
            rows.append(int(line.split(b"clients=")[1].split(b",")[0]))
        if line == b"":
            break
    c.sock.close()
    return rows


def placed(port, make):
    """Makes a client and tells which worker has it; the asking client comes and goes meanwhile, so look twice."""
    before = settled(port)
    made = make()
    after = settled(port)
    grown = [i for i, n in enumerate(after) if n > before[i]]
    return made, grown[0] if grown else 0


def settled(port):
    """The least of several looks: the one who looks counts as a client himself, now here, now there."""
    looks = []
    for _ in range(8):
        time.sleep(0.15)
        looks.append(loads(port))
    return [min(column) for column in zip(*looks)]


def steps(c, mb):
    value = memoryview(bytearray(mb << 20))
    yield "nothing for a second", lambda: time.sleep(1)
    yield "SET %d MB" % mb, lambda: c.ask("SET", "a", value)
    yield "SET over it", lambda: c.ask("SET", "a", value)
    yield "GET", lambda: c.ask("GET", "a")
    yield "GETRANGE of half", lambda: c.ask("GETRANGE", "a", 0, mb << 19)
    yield "SETRANGE in the middle, 100 bytes", lambda: c.ask("SETRANGE", "a", mb << 19, "x" * 100)
    yield "SETRANGE in the middle, 1/8", lambda: c.ask("SETRANGE", "a", mb << 19, value[: mb << 17])
    yield "COPY", lambda: c.ask("COPY", "a", "b")
    yield "RENAME", lambda: c.ask("RENAME", "b", "c")
    yield "GETDEL", lambda: c.ask("GETDEL", "c")
    yield "DEL", lambda: c.ask("DEL", "a")
    yield "SET of half", lambda: c.ask("SET", "a", value[: mb << 19])
    yield "APPEND 100 bytes", lambda: c.ask("APPEND", "a", "x" * 100)
    yield "APPEND 1/8", lambda: c.ask("APPEND", "a", value[: mb << 17])
    yield "SETRANGE far behind the end", lambda: c.ask("SETRANGE", "z", (mb << 20) - 10, "x")
    yield "GETSET", lambda: c.ask("GETSET", "a", value)
    yield "MSET of eight eighths", lambda: c.ask(
        "MSET", *[x for i in range(8) for x in ("m%d" % i, value[: mb << 17])])
    yield "FLUSHALL", lambda: c.ask("FLUSHALL")


def pipelined(c, mb):
    value = memoryview(bytearray(mb << 17))
    for i in range(8):
        c.send("SET", "p%d" % i, value)
    for i in range(8):
        c.reply()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("server")
    p.add_argument("--mb", type=int, default=512)
    o = p.parse_args()
    redis = os.path.basename(o.server).startswith("redis")
    with server.Server(o.server, [] if redis else ["--workers", "2"]) as s:
        c, mine = placed(s.port, lambda: Plain(s.port))
        c.ask("SET", "bystander", "x")
        same, other = [], []
        while not same or not (other or redis):
            b, where = placed(s.port, lambda: Bystander(s.port))
            kind = same if where == mine else other
            b.end() if kind else kind.append(b)
        print("%-42s %9s %12s %12s" % ("", "took ms", "same worker", "other worker"))
        for name, run in [*steps(c, o.mb), ("eight eighths pipelined", lambda: pipelined(c, o.mb))]:
            [b.longest() for b in same + other]
            t = time.perf_counter()
            run()
            took = (time.perf_counter() - t) * 1e3
            print("%-42s %9.0f %s" % (name, took, " ".join("%12.1f" % b.longest() for b in same + other)), flush=True)
        for b in same + other:
            b.end()
        print("the server's health: %s" % (s.health() or "good"))


if __name__ == "__main__":
    main()
