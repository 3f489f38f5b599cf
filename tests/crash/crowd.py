"""Clients under load that keep a ledger: each knows what was acknowledged, and notices a lost or doubled reply."""

import os
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import resp  # noqa: E402
import server  # noqa: E402
from server import WAIT_S  # noqa: E402


class Failure(Exception):
    """A promise was broken; the text says which."""


class Client(threading.Thread):
    """Counts up a key of its own, `depth` INCRs at a time. Each reply must be the one before plus one. may_lose: the
    connection may break (its worker was killed); then the counter must lie between what was acknowledged and sent."""

    def __init__(self, port, name, depth, may_lose):
        super().__init__(daemon=True)
        self.port, self.key, self.depth, self.may_lose = port, name, depth, may_lose
        self.acked = self.sent = self.reconnects = 0
        self.longest_s = 0.0
        self.error = None
        self.stopping = False
        self.sock = None

    def run(self):
        try:
            self._connect()
            while not self.stopping:
                try:
                    self._batch()
                except (OSError, EOFError) as e:
                    if not self.may_lose:
                        raise Failure("%s lost its connection: %r" % (self.key, e))
                    self._recover()
        except Exception as e:  # any error of the thread is the test's
            self.error = e
        finally:
            if self.sock:
                self.sock.close()

    def _connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def _batch(self):
        began = time.monotonic()
        self.sent = self.acked + self.depth
        self.sock.sendall(resp.encode([b"INCR", self.key.encode()]) * self.depth)
        for _ in range(self.depth):
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError("closed")
            if line != b":%d\r\n" % (self.acked + 1):
                raise Failure("%s: %r after %d" % (self.key, line, self.acked))
            self.acked += 1
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def _recover(self):
        self.reconnects += 1
        end = time.monotonic() + WAIT_S
        while True:
            try:
                self.sock.close()
                self._connect()
                self.sock.sendall(resp.encode([b"INCRBY", self.key.encode(), b"0"]))
                line = self.file.readline()
                if line.endswith(b"\r\n"):
                    break
            except OSError:
                pass
            if time.monotonic() > end:
                raise Failure("%s cannot come back" % self.key)
            time.sleep(0.01)
        value = int(line[1:])
        if not self.acked <= value <= self.sent:
            raise Failure("%s is %d, though %d were acknowledged and %d sent" % (self.key, value, self.acked, self.sent))
        self.acked = value


class Crowd:
    def __init__(self, port, n, depth, may_lose=False):
        self.clients = [Client(port, "counter:%d" % i, depth, may_lose) for i in range(n)]

    def __enter__(self):
        for c in self.clients:
            c.start()
        return self

    def __exit__(self, kind, *_):
        self.stop(raising=kind is None)

    def alive(self):
        for c in self.clients:
            if c.error:
                raise Failure(str(c.error))

    def stop(self, raising=True):
        for c in self.clients:
            c.stopping = True
        for c in self.clients:
            c.join(WAIT_S)
        if raising:
            self.alive()
            if any(c.is_alive() for c in self.clients):
                raise Failure("a client hangs")

    def acked(self):
        return sum(c.acked for c in self.clients)

    def longest_ms(self):
        return max(c.longest_s for c in self.clients) * 1000

    def check_ledger(self, connection):
        """What the server has is what was acknowledged: nothing was in flight when the clients stopped."""
        for c in self.clients:
            value = int(connection.command("GET", c.key).value or 0)
            if value != c.acked:
                raise Failure("%s is %d, acknowledged were %d" % (c.key, value, c.acked))


class Watch:
    """A connection for looking on, which comes back when its worker was killed in the middle of a reply."""

    def __init__(self, server):
        self.server = server
        self.connection = server.connect()

    def command(self, *argv, **kw):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                return self.connection.command(*argv, **kw)
            except (OSError, resp.Closed):
                time.sleep(0.05)
                try:
                    self.connection = self.server.connect()
                except OSError:
                    pass
        raise Failure("the server does not answer")


def workers_of(connection):
    """[{index, pid, state, ...}], and the counters behind them."""
    workers, counters = [], {}
    for line in connection.command("INFO", "workers").value.decode().splitlines():
        name, colon, rest = line.partition(":")
        if colon and "pid=" in rest:
            w = dict(pair.split("=") for pair in rest.split(","))
            workers.append({"index": int(name[6:]), "pid": int(w["pid"]), "state": w["state"], **w, **{"pid": int(w["pid"])}})
        elif colon:
            counters[name] = int(rest)
    return workers, counters


def worker_of(c, watch):
    """The pid of the worker that serves this connection: the one whose count of commands rises with it, and not by one a look,
    as that of the worker which is asked."""
    before = {w["pid"]: int(w["commands"]) for w in workers_of(watch)[0]}
    looks = 0

    def rises():
        nonlocal looks
        looks += 1
        for _ in range(10):
            c.command("PING")
        return [w["pid"] for w in workers_of(watch)[0] if int(w["commands"]) > before.get(w["pid"], 0) + 5 * looks]

    return wait_for("its worker", rises)[0]


def on_another(s, pid, watch):
    """A connection that another worker serves."""
    while True:
        c = s.connect()
        if worker_of(c, watch) != pid:
            return c
        c.close()


def kill(pid, sig=signal.SIGKILL):
    """False: it has gone already."""
    try:
        os.kill(pid, sig)
        return True
    except ProcessLookupError:
        return False


def children_of(pid):
    """{pid: title} of a process's children."""
    found = {}
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            pids = f.read().split()
    except OSError:
        return found
    for child in pids:
        try:
            with open("/proc/%s/cmdline" % child, "rb") as f:
                title = f.read().split(b"\0")[0].decode("latin-1")
        except OSError:
            continue
        if title:
            found[int(child)] = title
    return found


def exists(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(what, condition, limit_s=WAIT_S):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.02)
    raise Failure("waited %.0f s in vain: %s" % (limit_s, what))


def all_running(connection, n, *dead):
    """The workers, when n run; of the dead, which are still taken for running until somebody has noticed, none is left."""

    def running():
        found = [w for w in workers_of(connection)[0] if w["state"] == "running"]
        return len(found) == n and not {w["pid"] for w in found} & set(dead) and found

    return wait_for("%d workers run" % n, running)


def renew(master):
    """SIGHUP: all its processes are replaced."""
    old = set(children_of(master))
    os.kill(master, signal.SIGHUP)
    wait_for("all are replaced", lambda: not old & set(children_of(master)))


def pid_of(s, title):
    """A process bears its title a moment after it was forked."""
    return wait_for(title, lambda: [p for p, t in children_of(s.proc.pid).items() if t.strip("\0 ") == title])[0]


def check_arena(connection):
    answer = connection.command("DEBUG", "ARENA", "CHECK")
    if answer.kind == "error":
        raise Failure("DEBUG ARENA CHECK: " + answer.value.decode("latin-1"))


def main(scenarios, server_class):
    """NAME SERVER [OTHER BINARIES...]: runs one scenario; exit code 0 or a sentence and 1."""
    name, command, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    server.install_signal_handlers()
    try:
        scenarios[name](lambda *extra: server_class(command, extra), *rest)
    except Failure as e:
        print("FAILED: %s: %s" % (name, e))
        return 1
    print("%s: ok" % name)
    return 0
