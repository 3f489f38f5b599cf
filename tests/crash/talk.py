#!/usr/bin/env python3
"""The master's talk with its children when it is slow to answer, and when descriptors run out."""

import os
import resource
import signal
import socket
import sys
import tempfile
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, children_of, main, on_another, pid_of, renew, wait_for, worker_of, workers_of
import resp
import server


class Stopped:
    """The process stands still meanwhile; what is said to it waits."""

    def __init__(self, pid):
        self.pid = pid

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
            with Stopped(s.proc.pid):
                c.send([b"CONFIG", b"REWRITE"])
                time.sleep(0.1)
                os.kill(s.proc.pid, signal.SIGUSR1)
            answer = c.read()
            if answer.value != b"ERR The server is running without a config file":
                raise Failure("%r" % answer.value)
            wait_for("all write to the new file", lambda: not holders(children_of(s.proc.pid), log + ".%d" % i))
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


def ping(host, port):
    """True: somebody serves there. A connection that waits in a queue counts when it is answered."""
    try:
        with socket.create_connection((host, port), WAIT_S) as c:
            c.sendall(b"PING\r\n")
            return c.recv(100) == b"+PONG\r\n"
    except OSError:
        return False


def addresses(start):
    """A port that is taken is refused with everything beside it; one that is free serves as soon as it is promised."""
    with start("--workers", "2") as s, socket.create_server(("127.0.0.1", 0)) as taken:
        c = s.connect()
        old, busy, free = s.port, taken.getsockname()[1], server.free_port()
        answer = c.command("CONFIG", "SET", "timeout", "7", "port", str(busy), "maxmemory", "1gb")
        if answer.value != b"ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.":
            raise Failure("%r" % answer.value)
        values = [pair[1].value for pair in zip(*[iter(c.command("CONFIG", "GET", "port", "timeout", "maxmemory").value)] * 2)]
        if sorted(values) != sorted([b"%d" % old, b"0", b"0"]) or not ping("127.0.0.1", old):
            raise Failure("%r" % values)
        if c.command("CONFIG", "SET", "port", str(free)).kind != "status" or not ping("127.0.0.1", free):
            raise Failure("nobody answers on the new port")
        wait_for("the old port is closed", lambda: not ping("127.0.0.1", old))
        if c.command("CONFIG", "SET", "bind", "*").kind != "status":
            raise Failure("a wider address is refused")
        wait_for("the other address answers", lambda: ping("127.0.0.2", free))
        s.port = free
        check_arena(c)


def refused_late(start):
    """The lane dies while it waits for the answer about a new port: the change is taken back, by the master as well."""
    with start("--workers", "2", "--slow-lanes", "1") as s:
        watch = Watch(s)
        c = s.connect()
        old, free = s.port, server.free_port()
        lane = pid_of(s, "skep: slow lane 0")
        with Stopped(s.proc.pid):
            c.send([b"CONFIG", b"SET", b"port", b"%d" % free])
            time.sleep(1)  # nothing tells that it has asked; a lane after it would be answered
            os.kill(lane, signal.SIGKILL)
        try:
            if c.read().kind != "error":
                raise Failure("a change was promised by a dead process")
        except resp.Closed:
            pass  # the roll that had begun may have taken its worker
        wait_for("the old port stays", lambda: watch.command("CONFIG", "GET", "port").value[1].value == b"%d" % old)
        wait_for("the new port is closed", lambda: not ping("127.0.0.1", free))
        wait_for("the old port answers", lambda: ping("127.0.0.1", old))
        check_arena(Watch(s))


def reloaded(start):
    """The configuration is read again while a change of it is under way: neither disturbs the other."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        path = os.path.join(folder, "skep.conf")
        open(path, "w").close()
        with server.Server(sys.argv[2] + " " + path, ("--workers", "2")) as s:
            c = s.connect()
            for i in range(5):
                with open(path, "w") as f:
                    f.write("timeout %d\n" % (1000 + i))
                with Stopped(s.proc.pid):
                    c.send([b"CONFIG", b"SET", b"port", b"%d" % taken.getsockname()[1]])
                    time.sleep(0.1)
                    os.kill(s.proc.pid, signal.SIGHUP)
                answer = c.read()
                if answer.kind != "error" or b"Unable to listen" not in answer.value:
                    raise Failure("%r" % answer.value)
                wait_for("the file's value", lambda: c.command("CONFIG", "GET", "timeout").value[1].value == b"%d" % (1000 + i))
                if c.command("CONFIG", "GET", "port").value[1].value != b"%d" % s.port:
                    raise Failure("the port has changed")
            check_arena(c)


def asleep(start):
    """Nobody sleeps, or waits, for less than was asked. A client that sleeps changes its worker asleep, and wakes there."""
    with start("--workers", "2") as s:
        c, b = s.connect(), s.connect()
        others = [s.connect() for _ in range(4)]
        for _ in range(100):
            for line in (b"DEBUG", b"SLEEP", b"0.003"), (b"BLPOP", b"nothing", b"0.003"):
                began = time.monotonic()
                c.send(line)
                while time.monotonic() - began < 0.002:
                    for other in others:
                        other.command("PING")
                c.read()
                if time.monotonic() - began < 0.003:
                    raise Failure("%s was over too soon" % line[0].decode())
        began = time.monotonic()
        c.send([b"DEBUG", b"SLEEP", b"2"])
        c.send([b"ECHO", b"behind it"])
        b.command("PING")
        renew(s.proc.pid)
        if c.read().value != b"OK" or time.monotonic() - began < 2:
            raise Failure("it did not sleep on")
        if c.read().value != b"behind it":
            raise Failure("the command behind it was lost")
        check_arena(b)


def echoed(connection):
    """The number in the next line that a watcher gets."""
    return int(connection.read().value.decode().rpartition('" "')[2].rstrip('"'))


def watched(start):
    """A watcher whose worker stands still for a while gets every line, once and in order."""
    with start("--workers", "2", "--worker-watchdog-ms", "60000") as s:
        m, watch = s.connect(), Watch(s)
        its = worker_of(m, watch)
        other = on_another(s, its, watch)
        m.command("MONITOR")
        os.kill(its, signal.SIGSTOP)
        for i in range(300):
            other.command("ECHO", "%d" % i)
        os.kill(its, signal.SIGCONT)
        got = [echoed(m) for _ in range(300)]
        if got != list(range(300)):
            raise Failure("%d lines of 300 in a row" % next(i for i, g in enumerate(got + [-1]) if g != i))
        check_arena(other)


def watched_leaving(start):
    """A watcher's worker that is to leave has not got all lines by then, since its mailbox was full: it waits for them."""
    with start("--workers", "2", "--worker-watchdog-ms", "60000", "--loglevel", "verbose") as s:
        watch = Watch(s)
        first, second = [w["pid"] for w in all_running(watch, 2)]
        m, other = on_another(s, second, watch), on_another(s, first, watch)
        m.command("MONITOR")
        with Stopped(first):
            for i in range(300):
                other.command("ECHO", "%d" % i)
            os.kill(s.proc.pid, signal.SIGHUP)
            wait_for("it is told to leave", lambda: s.log_tail(200).count("worker 0 is ready") == 2)
        got = [echoed(m) for _ in range(300)]
        if got != list(range(300)):
            raise Failure("%d lines of 300 in a row" % next(i for i, g in enumerate(got + [-1]) if g != i))
        # Who moves beside others' commands may be disconnected: now it has been taken, wherever it was given.
        wait_for("both have left", lambda: not {first, second} & set(children_of(s.proc.pid)))
        m.send([b"PING"])
        answers = [m.read().value for _ in range(2)]  # its reply, and the line that tells of it
        if b"PONG" not in answers:
            raise Failure("%r" % answers)
        other.command("ECHO", "300")
        if echoed(m) != 300:
            raise Failure("another line")
        check_arena(other)


def watched_moving(start):
    """A watcher changes its worker: idle, it goes on; beside others' commands it is disconnected before it misses one."""
    with start("--workers", "2") as s:
        m, b = s.connect(), s.connect()
        m.command("MONITOR")
        for i in range(3):
            renew(s.proc.pid)
            b.command("ECHO", "%d" % i)
            if echoed(m) != i:
                raise Failure("another line")
        ended = 0
        for _ in range(5):
            m = s.connect()
            m.command("MONITOR")
            os.kill(s.proc.pid, signal.SIGHUP)
            for i in range(3000):
                b.command("ECHO", "%d" % i)
            try:
                got = [echoed(m) for _ in range(3000)]
            except resp.Closed:
                ended += 1
                continue
            # The other client moves, too: its lines come from two workers, so their order is not fixed.
            if sorted(got) != list(range(3000)):
                lost, doubled = set(range(3000)) - set(got), len(got) - len(set(got))
                raise Failure("the watcher was not told that lines were lost: %s, %d doubled" % (sorted(lost)[:9], doubled))
            m.close()
        check_arena(b)
        print("%d of 5 watchers were disconnected" % ended)


SCENARIOS = {
    "reopened": reopened,
    "crowded": crowded,
    "addresses": addresses,
    "refused_late": refused_late,
    "reloaded": reloaded,
    "asleep": asleep,
    "watched": watched,
    "watched_leaving": watched_leaving,
    "watched_moving": watched_moving,
}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
