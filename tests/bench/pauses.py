#!/usr/bin/env python3
"""What clients notice of a killed worker and of a rolling restart, under load.

    pauses.py build/skep          starts a server of two workers, loads it with redis-benchmark, and prints
                                  the longest answer of a client of another worker, and of any client

Run by hand: figures of a busy machine say little, and no test may fail for them.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROUNDS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """One GET every half millisecond; remembers the longest answer."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.longest, self.failed, self.stop = 0.0, None, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def ask(self, command):
        self.sock.sendall(command)
        got = self.sock.recv(65536)
        if not got:
            raise OSError("closed")
        return got

    def run(self):
        try:
            while not self.stop:
                t = time.perf_counter()
                self.ask(b"GET key:000000000001\r\n")
                self.longest = max(self.longest, time.perf_counter() - t)
                time.sleep(0.0005)
        except OSError as e:
            self.failed = e

    def finish(self):
        self.stop = True
        self.thread.join(5)
        self.sock.close()


def workers(port):
    text = subprocess.run(["redis-cli", "-p", str(port), "info", "workers"], capture_output=True, text=True).stdout
    rows = [line.split(":", 1)[1] for line in text.split() if line.startswith("worker") and ":pid=" in line]
    return [dict(f.split("=") for f in r.split(",")) for r in rows]


def client_of(port, index):
    """Connections spread by chance: open until one lands on this worker."""
    for _ in range(64):
        before = int(workers(port)[index]["clients"])
        c = Client(port)
        c.ask(b"PING\r\n")
        if int(workers(port)[index]["clients"]) > before:
            return c
        c.sock.close()
        time.sleep(0.02)
    sys.exit("no connection reached the worker")


def load(port):
    return subprocess.Popen(
        ["redis-benchmark", "-p", str(port), "-t", "set", "-n", "100000000", "-r", "1000000", "-P", "16", "-c", "20", "-q"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(port):
    pauses = []
    for _ in range(ROUNDS):
        c = client_of(port, 1)
        c.thread.start()
        time.sleep(0.5)
        c.longest = 0.0
        os.kill(int(workers(port)[0]["pid"]), signal.SIGKILL)
        time.sleep(1)
        c.finish()
        if c.failed:
            sys.exit(f"a client of the other worker was disturbed: {c.failed}")
        pauses.append(c.longest * 1e3)
    print("worker killed, longest answer of another worker's client: " + " ".join(f"{p:.1f}" for p in pauses) + " ms")


def rolled(port, master):
    pauses = []
    for _ in range(ROUNDS):
        cs = [Client(port) for _ in range(8)]
        for c in cs:
            c.thread.start()
        time.sleep(0.5)
        for c in cs:
            c.longest = 0.0
        old = {w["pid"] for w in workers(port)}
        os.kill(master, signal.SIGHUP)
        end = time.time() + 20
        while time.time() < end and (old & {w["pid"] for w in workers(port)} or len(workers(port)) < 2):
            time.sleep(0.05)
        time.sleep(0.5)
        for c in cs:
            c.finish()
        if any(c.failed for c in cs):
            sys.exit("a client was disturbed by the rolling restart")
        pauses.append(max(c.longest for c in cs) * 1e3)
    print("rolling restart, longest answer of any client:            " + " ".join(f"{p:.1f}" for p in pauses) + " ms, no errors")


def quiet(port):
    c = Client(port)
    c.thread.start()
    time.sleep(3)
    c.finish()
    print(f"the same load, undisturbed, longest answer:                {c.longest * 1e3:.1f} ms")


def main():
    port, data = free_port(), tempfile.mkdtemp(prefix="pauses")
    server = subprocess.Popen([sys.argv[1], "--port", str(port), "--workers", "2", "--dir", data, "--save", ""],
                              stdout=subprocess.DEVNULL)
    bench = None
    try:
        time.sleep(1)
        bench = load(port)
        quiet(port)
        rolled(port, server.pid)
        bench.kill()
        bench.wait()
        bench = load(port)
        killed(port)
    finally:
        if bench:
            bench.kill()
        server.terminate()
        server.wait(20)
        subprocess.run(["rm", "-rf", data], check=False)


main()
