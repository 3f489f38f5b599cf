#!/usr/bin/env python3
"""What one busy client notices of crowds: thousands that connect at once, that leave at once, that wait while the
workers are replaced, that ask without reading.

    crowds.py build/skep [--clients 10000]
    crowds.py redis-server

Run by hand: figures of a busy machine say little, and no test may fail for them. Each connection takes a
descriptor here and two in the server: `ulimit -n` must allow it.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402


def asking(port, pipe):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pipe.send("ready")
    longest = 0.0
    while True:
        t = time.perf_counter()
        s.sendall(b"GET busy\r\n")
        if not s.recv(100):
            pipe.send("closed")
            return
        longest = max(longest, time.perf_counter() - t)
        if pipe.poll():
            pipe.recv()
            pipe.send(longest * 1e3)
            longest = 0.0
        time.sleep(0.0005)


class Active:
    """A client in a process of its own that asks all the time."""

    def __init__(self, port):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=asking, args=(port, other), daemon=True)
        self.process.start()
        self.pipe.recv()

    def longest(self):
        self.pipe.send("tell")
        return self.pipe.recv()


def crowd(port, n, data=b""):
    """n connections begun without waiting for one another, then all of them served."""
    socks = []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        socks.append(s)
    for s in socks:
        s.setblocking(True)
        s.settimeout(30)
        s.sendall(data or b"PING\r\n")
    refused = 0
    for s in socks:
        try:
            got = s.recv(100)
            refused += not got.startswith(b"+PONG")
        except OSError:
            refused += 1
    return socks, refused


def rst(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def ask(port, *words):
    s = socket.create_connection(("127.0.0.1", port), 30)
    s.sendall(b" ".join(words) + b"\r\n")
    got = s.recv(1 << 16)
    s.close()
    return got


class Stage:
    def __init__(self, s, active):
        self.s, self.active = s, active

    def show(self, name, run):
        [a.longest() for a in self.active]
        t = time.perf_counter()
        said = run()
        took = time.perf_counter() - t
        print("%-52s %8.0f ms  longest answers %s ms  %s"
              % (name, took * 1e3, " ".join("%.1f" % a.longest() for a in self.active), said or ""), flush=True)


def replaced(s):
    def pids():
        text = ask(s.port, b"INFO", b"workers").decode()
        return {line.split("pid=")[1].split(",")[0] for line in text.splitlines() if ":pid=" in line}

    old = pids()
    s.proc.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while time.monotonic() < end and old & pids():
        time.sleep(0.05)
    time.sleep(0.5)


def million(port):
    """A million commands, no reply read before all are sent."""
    c = socket.create_connection(("127.0.0.1", port), 60)
    n = 1000000
    one = b"*2\r\n$3\r\nGET\r\n$4\r\nlong\r\n"
    began = time.perf_counter()
    c.sendall(one * n)
    sent = time.perf_counter() - began
    want, got = n * 108, 0
    scratch = bytearray(1 << 20)
    while got < want:
        r = c.recv_into(scratch)
        if not r:
            return "closed after %d of %d bytes" % (got, want)
        got += r
    c.close()
    return "sent in %.1f s, %d bytes read" % (sent, got)


def half_closed(port):
    """A pipeline, then no more writing: are all replies there?"""
    c = socket.create_connection(("127.0.0.1", port), 30)
    c.sendall(b"GET long\r\n" * 20000)
    c.shutdown(socket.SHUT_WR)
    got = 0
    while True:
        try:
            r = c.recv(1 << 20)
        except OSError as e:
            return "%d of %d bytes, then %s" % (got, 20000 * 108, e)
        if not r:
            return "%d of %d bytes" % (got, 20000 * 108)
        got += len(r)


def resets(port):
    for _ in range(300):
        c = socket.create_connection(("127.0.0.1", port), 30)
        c.sendall(b"GET long\r\n" * 5000)
        c.recv(1000)
        rst(c)


def trickle(port):
    """200 clients, a byte every 5 ms from each: some five seconds for a request."""
    socks = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(200)]
    wire = b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\n"
    for i in range(len(wire)):
        for s in socks:
            s.send(wire[i : i + 1])
        time.sleep(0.005)
    wrong = sum(s.recv(100) != b"+OK\r\n" for s in socks)
    [s.close() for s in socks]
    return "%d wrong answers" % wrong


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("server")
    p.add_argument("--clients", type=int, default=9500)
    o = p.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    redis = os.path.basename(o.server).startswith("redis")
    n = o.clients
    with server.Server(o.server, ["--tcp-backlog", "4096"] + ([] if redis else ["--workers", "2"])) as s:
        ask(s.port, b"SET", b"long", b"x" * 100)
        stage = Stage(s, [Active(s.port) for _ in range(1 if redis else 4)])
        keep = []

        def come(data=b""):
            keep[:], refused = crowd(s.port, n, data)
            return "%d refused" % refused

        def go(how=socket.socket.close):
            for c in keep:
                how(c)
            end = time.monotonic() + 30
            while time.monotonic() < end and b"connected_clients:%d\r" % (len(stage.active) + 1) not in ask(s.port, b"INFO", b"clients"):
                time.sleep(0.02)
            keep.clear()

        stage.show("nothing for a second", lambda: time.sleep(1))
        stage.show("%d connect and ask at once" % n, come)
        stage.show("all leave", go)
        stage.show("%d connect and send 2000 bytes each" % n, lambda: come(b"PING\r\n" + b"SET k " + b"v" * 2000 + b"\r\n"))
        stage.show("all leave by reset", lambda: go(rst))
        limit = ask(s.port, b"CONFIG", b"SET", b"maxclients", b"1000")
        stage.show("maxclients 1000 (%s): as many come" % limit[:3].decode(), come)
        stage.show("all leave", go)
        ask(s.port, b"CONFIG", b"SET", b"maxclients", b"10000")
        stage.show("%d come again" % n, come)
        if not redis:
            stage.show("the workers are replaced", lambda: replaced(s))
        stage.show("all leave", go)
        stage.show("a million commands, read afterwards", lambda: million(s.port))
        stage.show("a pipeline, then shutdown(WR)", lambda: half_closed(s.port))
        stage.show("300 clients reset in the middle of replies", lambda: resets(s.port))
        stage.show("200 clients, byte by byte", lambda: trickle(s.port))
        print("the server's health: %s" % (s.health() or "good"))


if __name__ == "__main__":
    main()
