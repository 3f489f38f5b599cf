#!/usr/bin/env python3
"""What is on disk when the server, or one of the processes that write it, is ended or killed, and what a start makes
of it."""

import os
import signal
import socket
import sys
import threading
import time

from crowd import WAIT_S, Crowd, Failure, Watch, all_running, check_arena, children_of, exists, kill, main, pid_of, wait_for
import resp
import server

WRITER, SNAPSHOTTER = "skep: log writer", "skep: snapshotter"


class Lasting(server.Server):
    """A server that is ended and started again in the same folder."""

    def __init__(self, command, extra=()):
        super().__init__(command, extra)
        self.status = None

    def end(self, sig=signal.SIGTERM, wait=True):
        """Ends the master; its other processes may outlive it for a while."""
        family = list(children_of(self.proc.pid))
        self.proc.send_signal(sig)
        self.status = self.proc.wait(WAIT_S)
        if wait:
            wait_for("all processes end", lambda: not any(exists(p) for p in family))
        self.proc = None

    def again(self, *extra):
        self.extra += list(extra)
        self.start()

    def try_start(self, *extra):
        """A start that is expected to fail; answers its exit code."""
        was, self.extra = self.extra, self.extra + list(extra)
        try:
            self.start()
        except server.StartFailed:
            return self.proc.returncode if self.proc else None
        finally:
            self.extra = was
        return 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def said(self, text):
        with open(self.log, errors="replace") as f:
            return f.read().count(text)


def info(c, name, section="persistence"):
    for line in c.command("INFO", section).value.decode().splitlines():
        if line.startswith(name + ":"):
            return line.partition(":")[2]
    return None


def expect(c, wanted, *argv):
    got = "\n".join(resp.show(c.command(*argv)))
    if got != wanted:
        raise Failure("%r: wanted %r, got %r" % (argv, wanted, got))


def rewrite(c):
    expect(c, "+Background append only file rewriting started", "BGREWRITEAOF")
    wait_for("there is a base", lambda: info(c, "aof_rewrite_in_progress") == "0")
    if info(c, "aof_last_bgrewrite_status") != "ok":
        raise Failure("the rewrite has failed")


def crowded(s, seconds, n=8, depth=8, may_lose=False):
    with Crowd(s.port, n, depth, may_lose) as crowd:
        time.sleep(seconds)
    return crowd


def run_to_the_end(s):
    """Clients at work, each of which stops at the first error: what it had sent and was told then is its ledger."""
    crowd = Crowd(s.port, 8, 8, may_lose=False)
    for client in crowd.clients:
        client.start()
    wait_for("work is done", lambda: crowd.acked() > 2000)
    return crowd


def check_span(crowd, c):
    """After the server was killed: all that was acknowledged, and nothing that was never sent."""
    for client in crowd.clients:
        value = int(c.command("GET", client.key).value or 0)
        if not client.acked <= value <= client.sent:
            raise Failure("%s is %d; acknowledged %d, sent %d" % (client.key, value, client.acked, client.sent))


# ---- ended and started ----


def restart(start):
    """With a log: everything is there after a stop, twice, and after CONFIG SET appendonly yes alone."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        crowd = crowded(s, 0.5)
        s.connect().command("SET", "kept", "1")
        s.end()
        if s.status != 0:
            raise Failure("exit code %r" % s.status)
        s.again()
        c = s.connect()
        crowd.check_ledger(c)
        c.command("SET", "second", "2")
        s.end()
        s.again()
        c = s.connect()
        crowd.check_ledger(c)
        expect(c, '"2"', "GET", "second")
        expect(c, '"1"', "GET", "kept")
        check_arena(c)


def snapshots(start):
    """Without a log: what was saved is there, what was not is not; SHUTDOWN saves when it is told to."""
    with start("--workers", "2") as s:
        c = s.connect()
        c.command("SET", "saved", "1")
        expect(c, "+OK", "SAVE")
        c.command("SET", "lost", "1")
        s.end()
        s.again()
        c = s.connect()
        expect(c, '"1"', "GET", "saved")
        if c.command("EXISTS", "lost").value != b"0":
            raise Failure("a key came back that had not been saved")
        c.command("SET", "last", "1")
        c.send([b"SHUTDOWN", b"SAVE"])
        s.proc.wait(WAIT_S)
        s.proc = None
        s.again("--save", "3600", "1")
        c = s.connect()
        expect(c, '"1"', "GET", "last")
        c.command("SET", "by_signal", "1")
        s.end()
        s.again()
        c = s.connect()
        expect(c, '"1"', "GET", "by_signal")
        c.command("SET", "forgotten", "1")
        c.send([b"SHUTDOWN", b"NOSAVE"])
        s.proc.wait(WAIT_S)
        s.proc = None
        s.again()
        if s.connect().command("EXISTS", "forgotten").value != b"0":
            raise Failure("SHUTDOWN NOSAVE saved")


def save_points(start):
    with start("--workers", "2") as s:
        c = s.connect()
        before = int(info(c, "rdb_saves"))
        c.command("CONFIG", "SET", "save", "1 3")
        for i in range(3):
            c.command("SET", "k%d" % i, "v")
        wait_for("a save point fires", lambda: int(info(c, "rdb_saves")) > before)
        wait_for("nothing is unsaved", lambda: info(c, "rdb_changes_since_last_save") == "0")
        if not s.said("3 changes in 1 seconds. Saving..."):
            raise Failure("the log does not tell of the save point")
        expect(c, "+OK", "CONFIG", "SET", "save", "")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"v"', "GET", "k2")


def flushed(start):
    """Where save points are set FLUSHALL calls off a save under way, and has the file follow."""
    with start("--workers", "2", "--rdb-key-save-delay", "200000") as s:
        c = s.connect()
        c.command("MSET", *[w for i in range(1000) for w in ("k%d" % i, "v")])
        expect(c, "+OK", "CONFIG", "SET", "save", "3600 1000000")
        saves = int(info(c, "rdb_saves"))
        expect(c, "+Background saving started", "BGSAVE")
        wait_for("it writes", lambda: int(info(c, "current_save_keys_total")))
        expect(c, "+OK", "FLUSHALL")
        wait_for("the file follows", lambda: int(info(c, "rdb_saves")) > saves)
        if int(info(c, "rdb_saves")) != saves + 1 or info(c, "rdb_last_bgsave_status") != "ok":
            raise Failure("the save was not called off, or counts as a failure")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), ":0", "DBSIZE")


# ---- the disk refuses ----


def refused(start):
    """A save that fails: BGSAVE stops writes and PING, SAVE and SHUTDOWN say so, and all goes on when it works again."""
    with start("--workers", "2", "--dbfilename", "d.rdb") as s:
        c = s.connect()
        os.mkdir(s.path("d.rdb"))
        c.command("SET", "a", "1")
        expect(c, "-ERR", "SAVE")
        expect(c, "+OK", "SET", "a", "2")
        expect(c, "+OK", "CONFIG", "SET", "save", "3600 1000")
        expect(c, "+Background saving started", "BGSAVE")
        wait_for("it fails", lambda: info(c, "rdb_last_bgsave_status") == "err")
        for argv in (("SET", "a", "3"), ("PING",)):
            answer = c.command(*argv)
            if answer.kind != "error" or not answer.value.startswith(
                b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
            ):
                raise Failure("%r: %r" % (argv, answer))
        expect(c, '"2"', "GET", "a")
        expect(c, "+OK", "CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        expect(c, "+OK", "SET", "a", "3")
        expect(c, "+OK", "CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
        expect(c, "-ERR Errors trying to SHUTDOWN. Check logs.", "SHUTDOWN")
        expect(s.connect(), '"3"', "GET", "a")
        expect(c, "-ERR No shutdown in progress.", "SHUTDOWN", "ABORT")
        all_running(c, 2)
        if c.command("DEBUG", "SLEEP", "0").kind == "error":
            raise Failure("the slow lane is not back")
        os.rmdir(s.path("d.rdb"))
        expect(c, "+OK", "SAVE")
        expect(c, "+OK", "SET", "a", "4")
        os.rename(s.path("d.rdb"), s.path("old"))
        os.mkdir(s.path("d.rdb"))
        c.send([b"SHUTDOWN", b"SAVE", b"FORCE"])
        if s.proc.wait(WAIT_S) != 0:
            raise Failure("SHUTDOWN FORCE: exit code %r" % s.proc.returncode)
        s.proc = None


def damaged(start):
    """A file that cannot be read stops the start with one line, and is left as it is."""
    with start("--workers", "2") as s:
        c = s.connect()
        c.command("SET", "a", "1")
        expect(c, "+OK", "SAVE")
        s.end()
        with open(s.path("dump.rdb"), "r+b") as f:
            f.seek(9)
            f.write(b"\x42")
        before = open(s.path("dump.rdb"), "rb").read()
        if s.try_start() != 1:
            raise Failure("a damaged file did not stop the start")
        if open(s.path("dump.rdb"), "rb").read() != before:
            raise Failure("the damaged file was changed")
        os.unlink(s.path("dump.rdb"))
        s.again()


# ---- loading ----


def loading(start):
    """While it loads the server answers what needs no keys, and a stop changes no file."""
    with start("--workers", "2") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "1000")
        expect(c, "+OK", "SAVE")
        s.end()
        before = open(s.path("dump.rdb"), "rb").read()

        def loads():
            try:
                return s.connect().command("PING").value.startswith(b"LOADING")
            except (OSError, resp.Closed, resp.Timeout):
                return False

        ready, s._ready = s._ready, loads
        s.again("--key-load-delay", "100000", "--save", "3600", "1")
        c = s.connect()
        for argv in (("GET", "a"), ("SET", "a", "1"), ("PING",), ("SAVE",), ("BGSAVE",), ("DBSIZE",), ("FLUSHALL",),
                     ("DEBUG", "POPULATE", "1")):  # fmt: skip
            expect(c, "-LOADING Redis is loading the dataset in memory", *argv)
        expect(c, "-ERR unknown command 'NOSUCH', with args beginning with: ", "NOSUCH")
        expect(c, '1) "hz"\n2) "10"', "CONFIG", "GET", "hz")
        wait_for("the files have been looked at", lambda: info(c, "loading_total_bytes") != "0")
        for name, test in (("loading", "1".__eq__), ("loading_total_bytes", str(len(before)).__eq__),
                           ("loading_start_time", str.isdigit), ("loading_eta_seconds", str.isdigit),
                           ("loading_loaded_perc", lambda v: 0 <= float(v) <= 100)):  # fmt: skip
            value = info(c, name)
            if value is None or not test(value):
                raise Failure("INFO: %s is %r" % (name, value))
        s.end()
        if s.status != 0 or open(s.path("dump.rdb"), "rb").read() != before:
            raise Failure("exit code %r, or the file was changed" % s.status)
        s._ready = ready
        s.again("--key-load-delay", "0")
        c = s.connect()
        expect(c, ":1000", "DBSIZE")
        if info(c, "loading") != "0" or info(c, "loading_start_time"):
            raise Failure("INFO still tells of loading")


# ---- waiting ----


def silent(c):
    """Nothing has been answered yet; what this shows must be true however long it is waited for."""
    try:
        answer = c.read(0.2)
    except resp.Timeout:
        return
    raise Failure("an answer came too early: %r" % answer)


def answered(c, wanted):
    got = "\n".join(resp.show(c.read()))
    if got != wanted:
        raise Failure("wanted %r, got %r" % (wanted, got))


def waiting(start):
    """SAVE keeps its client waiting and nobody else, and the answer comes though another worker has it by then."""
    with start("--workers", "2", "--rdb-key-save-delay", "100000") as s:
        a, b = s.connect(), s.connect()
        b.command("DEBUG", "POPULATE", "1000")
        a.send([b"SAVE"])
        wait_for("it has begun", lambda: info(b, "rdb_bgsave_in_progress") == "1")
        silent(a)
        expect(b, "+OK", "SET", "key:0", "new")
        expect(b, '"new"', "GET", "key:0")
        expect(b, "-ERR Background save already in progress", "BGSAVE")
        os.kill(s.proc.pid, signal.SIGHUP)
        wait_for("all are new", lambda: s.said("All processes were replaced"))
        silent(a)
        b.command("CONFIG", "SET", "rdb-key-save-delay", "0")
        answered(a, "+OK")
        expect(a, "+PONG", "PING")
        expect(b, ":1000", "DBSIZE")


def aborted(start):
    """While SHUTDOWN saves, writes wait and reads go on; ABORT takes all of it back."""
    with start("--workers", "2", "--rdb-key-save-delay", "100000") as s:
        a, b, c = s.connect(), s.connect(), s.connect()
        b.command("DEBUG", "POPULATE", "1000")
        a.send([b"SHUTDOWN", b"SAVE"])
        wait_for("it has begun", lambda: info(b, "rdb_bgsave_in_progress") == "1")
        c.send([b"SET", b"key:0", b"new"])
        silent(c)
        silent(a)
        expect(b, '"value:0"', "GET", "key:0")
        expect(b, "+OK", "SHUTDOWN", "ABORT")
        answered(c, "+OK")
        answered(a, "-ERR Errors trying to SHUTDOWN. Check logs.")
        expect(b, '"new"', "GET", "key:0")
        expect(b, "-ERR No shutdown in progress.", "SHUTDOWN", "ABORT")
        b.command("CONFIG", "SET", "rdb-key-save-delay", "0")
        wait_for("SAVE works", lambda: b.command("SAVE").value == b"OK")
        check_arena(b)
        s.end()
        s.again()
        expect(s.connect(), '"new"', "GET", "key:0")


# ---- killed ----


def writer(start):
    """The log's writer is killed again and again: nobody notices, and nothing is lost."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:
        with Crowd(s.port, 8, 4) as crowd:
            for _ in range(4):
                old = pid_of(s, WRITER)
                time.sleep(0.2)
                os.kill(old, signal.SIGKILL)
                wait_for("another writer", lambda: pid_of(s, WRITER) != old)
                crowd.alive()
            done = crowd.acked()
            wait_for("writes go on", lambda: crowd.acked() > done + 100)
        c = s.connect()
        crowd.check_ledger(c)
        check_arena(c)
        s.end(signal.SIGKILL)
        s.again()
        crowd.check_ledger(s.connect())


def master(start):
    """The master is killed under load: the writer writes what was acknowledged, and ends; a start finds it."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        for wait in (True, False, False):
            c = s.connect()
            c.command("FLUSHALL")
            c.close()
            crowd = run_to_the_end(s)
            s.end(signal.SIGKILL, wait)  # the next one may have to wait for the writer of this one
            crowd.stop(raising=False)
            s.again()
            check_span(crowd, s.connect())


def drained(start):
    """The writer is killed while the end waits for it alone: another one writes what the ring holds."""
    with start("--workers", "2", "--appendonly", "yes", "--worker-watchdog-ms", "60000") as s:
        c = s.connect()
        pid = pid_of(s, WRITER)
        os.kill(pid, signal.SIGSTOP)
        for i in range(1000):
            expect(c, ":%d" % (i + 1), "INCR", "n")
        s.proc.send_signal(signal.SIGTERM)
        wait_for("the writer is alone", lambda: list(children_of(s.proc.pid)) == [pid])
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        if s.proc.wait(WAIT_S) != 0:
            raise Failure("exit code %r" % s.proc.returncode)
        s.proc = None
        s.again()
        expect(s.connect(), '"1000"', "GET", "n")


def everybody(start):
    """All at once: what had reached the kernel is there, in order. A start afterwards needs no help."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:
        for _ in range(3):
            c = s.connect()
            c.command("FLUSHALL")
            c.close()
            crowd = run_to_the_end(s)
            family = list(children_of(s.proc.pid)) + [s.proc.pid]
            for pid in family:
                kill(pid)
            s.proc.wait(WAIT_S)
            s.proc = None
            wait_for("all end", lambda: not any(exists(p) for p in family))
            crowd.stop(raising=False)
            s.again()
            check_span(crowd, s.connect())


def snapshotter(start):
    """Killed in its walk: the save counts as failed, what it left is cleaned up, and the next one works."""
    with start("--workers", "2", "--rdb-key-save-delay", "100000") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "2000")
        with Crowd(s.port, 4, 4) as crowd:
            for _ in range(3):
                expect(c, "+Background saving started", "BGSAVE")
                expect(c, "-ERR Background save already in progress", "BGSAVE")
                expect(c, "-ERR Background save already in progress", "SAVE")
                pid = pid_of(s, SNAPSHOTTER)
                wait_for("the walk", lambda: int(info(c, "current_save_keys_total")) > 0)
                os.kill(pid, signal.SIGKILL)
                wait_for("it has failed", lambda: info(c, "rdb_bgsave_in_progress") == "0")
                wait_for("it is told", lambda: info(c, "rdb_last_bgsave_status") == "err")
            crowd.alive()
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
        expect(c, "+OK", "SAVE")
        if [n for n in os.listdir(s.dir) if n.startswith("temp-")]:
            raise Failure("an unfinished file was left")
        crowd.check_ledger(c)
        check_arena(c)
        s.end()
        s.again()
        crowd.check_ledger(s.connect())


def hurry(s):
    try:
        s.connect().command("CONFIG", "SET", "key-load-delay", "0")
    except (OSError, resp.Closed):
        pass  # it is asked again


def loader(start):
    """Killed while loading: all is begun again; three times, and the start is given up."""
    with start("--workers", "2") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "3000")
        expect(c, "+OK", "SAVE")
        rewrite(c)  # the loader of an RDB file can be made slow
        s.end()
        s.extra += ["--key-load-delay", "20000"]
        kills, ready, s.most = [], s._ready, 1

        def ready_or_kill():
            for pid, title in children_of(s.proc.pid).items():
                if title.startswith("skep: loader") and len(kills) < s.most:
                    os.kill(pid, signal.SIGKILL)
                    kills.append(pid)
                    wait_for("all begins again", lambda: s.said("a loader died") >= len(kills))
                    break  # the others are being ended with it
            if len(kills) == s.most:
                hurry(s)
            return ready()

        s._ready = ready_or_kill
        s.again()
        expect(s.connect(), ":3000", "DBSIZE")
        if not kills:
            raise Failure("no loader was killed")
        s.end()
        s.most = 1 + 3
        if s.try_start() != 1:
            raise Failure("three crashes did not end the start")


def rebuilt(start):
    """crash-policy rebuild: memory is not trusted, but what the log holds is."""
    with start("--workers", "2", "--crash-policy", "rebuild", "--appendonly", "yes") as s:
        for n in range(2):
            crowd = run_to_the_end(s)
            starts = s.said("Ready to accept connections")
            os.kill(all_running(Watch(s), 2)[0]["pid"], signal.SIGABRT)
            crowd.stop(raising=False)
            wait_for("it is ready again", lambda: s.said("Ready to accept connections") > starts)
            # Also what stood in the ring behind a transaction that was cut off.
            if s.said("The log is complete up to record") != n + 1:
                raise Failure("the writer did not come to the ring's end")
            check_span(crowd, s.connect())
            expect(s.connect(), "+OK", "FLUSHALL")


def moved(start):
    """CONFIG SET dir: snapshots go there; the log stays where it is until it begins anew."""
    with start("--workers", "2", "--appendonly", "yes", "--enable-protected-configs", "yes") as s:
        c = s.connect()
        os.mkdir(s.path("other"))
        expect(c, "+OK", "SET", "a", "1")
        expect(c, "+OK", "CONFIG", "SET", "dir", s.path("other"))
        expect(c, "+OK", "SAVE")
        if os.listdir(s.path("other")) != ["dump.rdb"]:
            raise Failure("not there: %r" % os.listdir(s.path("other")))
        expect(c, "+Background append only file rewriting started", "BGREWRITEAOF")
        wait_for("it works", lambda: info(c, "aof_rewrites") == "2")
        old = pid_of(s, WRITER)
        os.kill(old, signal.SIGKILL)
        wait_for("another writer", lambda: pid_of(s, WRITER) != old)
        expect(c, "+OK", "SET", "b", "2")
        s.end(signal.SIGKILL)
        s.again()
        c = s.connect()
        expect(c, '"1"', "GET", "a")
        expect(c, '"2"', "GET", "b")
        expect(c, "+OK", "CONFIG", "SET", "dir", s.path("other"), "appendonly", "no")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        if not os.path.isdir(s.path("other/skep-wal")):
            raise Failure("the log did not begin in the new folder")


def rewrite_shrinks(start):
    """A log that has grown is short again after the rewrite, and so needs no other one: also when nothing more is written."""
    with start("--workers", "2", "--appendonly", "yes", "--auto-aof-rewrite-min-size", "1mb") as s:
        c = s.connect()
        for i in range(300):
            expect(c, "+OK", "SET", "a", "%d%s" % (i, 9999 * "x"))
        wait_for("it is short", lambda: int(info(c, "aof_rewrites")) > 1 and int(info(c, "aof_current_size")) < 100000)
        wait_for("the end", lambda: info(c, "aof_rewrite_in_progress") == "0")
        rewrites = info(c, "aof_rewrites")
        time.sleep(1.5)
        if info(c, "aof_rewrites") != rewrites:
            raise Failure("it is rewritten again")
        expect(c, "+OK", "SET", "b", "1")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), ":2", "DBSIZE")


def rewrite_alone(start):
    """BGREWRITEAOF without a log: as with redis-server the next start with a log begins from there, and nothing is logged."""
    started = "+Background append only file rewriting started"
    with start("--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        for i in range(3):  # a log that lies about
            expect(c, "+OK", "SET", "old", str(i))
        s.end()
        s.again("--appendonly", "no")
        c = s.connect()
        expect(c, ":0", "DBSIZE")
        for value in ("1", "2"):
            expect(c, "+OK", "SET", "a", value)
            expect(c, started, "BGREWRITEAOF")
            wait_for("it is made", lambda: info(c, "aof_rewrites") == value and info(c, "wal_state") == "off")
        expect(c, "+OK", "SET", "a", "3")
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "20000000")
        expect(c, "+Background saving started", "BGSAVE")
        expect(c, "+Background append only file rewriting scheduled", "BGREWRITEAOF")
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
        wait_for("it is made", lambda: info(c, "aof_rewrites") == "3" and info(c, "wal_state") == "off")
        expect(c, "+OK", "SET", "a", "4")
        if info(c, "aof_enabled") != "0" or info(c, "aof_last_bgrewrite_status") != "ok":
            raise Failure("it is told wrongly")
        check_arena(c)
        s.end()
        s.again("--appendonly", "yes")
        c = s.connect()
        expect(c, '"3"', "GET", "a")
        expect(c, ":1", "DBSIZE")
    with start("--workers", "2") as s:
        c = s.connect()
        with open(s.path("skep-wal"), "w"):
            pass
        if resp.show(c.command("BGREWRITEAOF"))[0][:40] != "-ERR Can't execute an AOF background rew":
            raise Failure("nothing can be written there")
        os.unlink(s.path("skep-wal"))
        expect(c, started, "BGREWRITEAOF")
        wait_for("it is made", lambda: info(c, "aof_rewrites") == "1" and info(c, "wal_state") == "off")


# ---- the log switched on and off, processes replaced ----


def switched(start):
    """CONFIG SET appendonly under load, both ways: after the last yes a start with the log finds everything."""
    with start("--workers", "2") as s:
        with Crowd(s.port, 8, 8) as crowd:
            c = s.connect()
            for _ in range(20):  # before the log has begun
                expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
                expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
            wait_for("the log is off", lambda: info(c, "wal_state") == "off")
            acked = crowd.acked()
            wait_for("work goes on", lambda: crowd.acked() > acked + 1000)
            for _ in range(4):
                expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
                wait_for("the log is on", lambda: info(c, "wal_state") == "on")
                time.sleep(0.2)
                crowd.alive()
                expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
                if info(c, "wal_state") != "off":
                    raise Failure("appendonly is no, but the log is on")
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
            wait_for("the log is on", lambda: info(c, "wal_state") == "on")
            time.sleep(0.3)
        crowd.check_ledger(c)
        check_arena(c)
        s.end(signal.SIGKILL)
        s.again("--appendonly", "yes")
        crowd.check_ledger(s.connect())


def switched_whole(start):
    """What is under way when the log is switched off is in it as a whole, or not at all."""
    keys = ["k%d" % i for i in range(300)]
    block = b"".join(resp.encode(argv) for argv in [[b"MULTI"], *([b"INCR", k.encode()] for k in keys), [b"EXEC"]])
    with start("--workers", "2", "--appendonly", "no") as s:
        for _ in range(4):
            c, d = s.connect(), s.connect()
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
            wait_for("the log is on", lambda: info(c, "wal_state") == "on")
            d.send_raw(resp.encode([b"CLIENT", b"REPLY", b"OFF"]))
            before = int(c.command("GET", keys[0]).value or 0)
            busy = threading.Thread(target=d.send_raw, args=(600 * block + resp.encode([b"CLIENT", b"REPLY", b"ON"]),))
            busy.start()
            wait_for("it works", lambda: int(c.command("GET", keys[0]).value or 0) > before + 50)
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
            busy.join()
            d.read()
            s.end()
            s.again("--appendonly", "yes")
            c = s.connect()
            found = {v.value for v in c.command("MGET", *keys).value}
            if len(found) != 1:
                raise Failure("a transaction is there by halves: %r" % found)
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")


def held_writes(s, n=4):
    """Clients whose writes wait for the disk."""
    held = [s.connect() for _ in range(n)]
    for i, c in enumerate(held):
        c.send([b"SET", b"held:%d" % i, b"1"])
    return held


def closed(start):
    """The log is switched off while its writer is dead, or dies over its last work: what waited for the disk is answered all
    the same."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always", "--worker-watchdog-ms", "60000") as s:
        c = s.connect()
        for _ in range(4):  # each time the next one is longer in coming
            pid = pid_of(s, WRITER)
            os.kill(pid, signal.SIGKILL)
            wait_for("its end", lambda: not exists(pid))
        held = held_writes(s)
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
        for h in held:
            answered(h, "+OK")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        pid = pid_of(s, WRITER)
        os.kill(pid, signal.SIGSTOP)
        held = held_writes(s)
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
        os.kill(pid, signal.SIGKILL)
        for h in held:
            answered(h, "+OK")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        expect(c, "+OK", "SET", "last", "1")
        check_arena(c)
        s.end(signal.SIGKILL)
        s.again()
        c = s.connect()
        for key in ("last", "held:0", "held:3"):
            expect(c, '"1"', "GET", key)


def owed(start):
    """The log is switched off while its writer is dead, and another one that was wanted meanwhile does not come: who waits for what
    the dead one owed is answered."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always", "--worker-watchdog-ms", "60000") as s:
        c = s.connect()
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        for _ in range(4):  # each time the next one is longer in coming
            pid = pid_of(s, WRITER)
            os.kill(pid, signal.SIGKILL)
            wait_for("its end", lambda: not exists(pid))
        os.rename(s.path("skep-wal"), s.path("aside"))
        open(s.path("skep-wal"), "w").close()
        held = held_writes(s)
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "no")
        if c.command("BGREWRITEAOF").kind != "error":
            raise Failure("a base is made where there is no folder")
        for h in held:
            answer = h.read()
            if answer.value != b"OK" and not answer.value.startswith(b"MISCONF"):
                raise Failure("%r" % answer)
        os.unlink(s.path("skep-wal"))
        os.rename(s.path("aside"), s.path("skep-wal"))
        wait_for("the log begins", lambda: c.command("CONFIG", "SET", "appendonly", "yes").value == b"OK")
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        expect(c, "+OK", "SET", "last", "1")


def let_go(start):
    """The policy changes while replies wait for the disk, and their worker is never idle: a sync lets them go all the same."""
    with start("--workers", "1", "--appendonly", "yes", "--appendfsync", "always", "--worker-watchdog-ms", "60000") as s:
        c, stop = s.connect(), threading.Event()

        def keep_busy(to):
            while not stop.is_set():
                to.send_raw(resp.encode([b"ECHO", b"x"]) * 16)
                for _ in range(16):
                    to.read()

        busy = [threading.Thread(target=keep_busy, args=(s.connect(),), daemon=True) for _ in range(4)]
        for t in busy:
            t.start()
        pid = pid_of(s, WRITER)
        try:
            for change in (("appendfsync", "no"), ("appendfsync", "everysec"), ("appendfsync", "no")):
                expect(c, "+OK", "CONFIG", "SET", "appendfsync", "always")
                os.kill(pid, signal.SIGSTOP)
                held = held_writes(s)
                for h in held:
                    silent(h)
                expect(c, "+OK", "CONFIG", "SET", *change)
                os.kill(pid, signal.SIGCONT)
                for h in held:
                    answered(h, "+OK")
                if int(info(c, "wal_durable_position")) < int(info(c, "wal_position")):
                    raise Failure("a reply went before it was on disk")
        finally:
            stop.set()
            for t in busy:
                t.join(WAIT_S)


def unnamed(start):
    """The base with which a log begins is complete, but a start would not find what follows it yet: WAITAOF does not count that."""
    with start("--workers", "2", "--appendfsync", "always") as s:
        c, waits = s.connect(), s.connect()
        c.command("DEBUG", "POPULATE", "2")
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "60000000")
        expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes")
        expect(c, "+OK", "SET", "behind", "the cut")
        os.kill(pid_of(s, WRITER), signal.SIGSTOP)
        if info(c, "wal_state") != "begins" or int(info(c, "wal_durable_position")) < int(info(c, "wal_position")):
            raise Failure("%s, on disk up to %s of %s" % tuple(info(c, "wal_" + n) for n in ("state", "durable_position", "position")))
        waits.send([b"WAITAOF", b"1", b"0", b"0"])
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
        wait_for("the base is complete", lambda: info(c, "aof_rewrite_in_progress") == "0")
        expect(c, "1) :0\n2) :0", "WAITAOF", "1", "0", "100")
        silent(waits)
        os.kill(pid_of(s, WRITER), signal.SIGCONT)
        answered(waits, "1) :1\n2) :0")
        expect(c, "1) :1\n2) :0", "WAITAOF", "1", "0", "0")


def together(start):
    """appendonly beside port, which the lane stores while the master listens: OK says that both are done; refused, that neither is."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        c = s.connect()
        for _ in range(4):
            s.port = server.free_port()
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "no", "port", str(s.port))
            if info(c, "wal_state") != "off":
                raise Failure("appendonly is no, but the log is on")
            s.port = server.free_port()
            expect(c, "+OK", "CONFIG", "SET", "appendonly", "yes", "port", str(s.port))
            wait_for("the log is on", lambda: info(c, "wal_state") == "on" and info(c, "aof_rewrite_in_progress") == "0")
            begun = info(c, "aof_rewrites")
            expect(c, "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server "
                   "logs.", "CONFIG", "SET", "appendonly", "no", "port", str(taken.getsockname()[1]))  # fmt: skip
            expect(c, "+OK", "SET", "a", "1")
            if info(c, "wal_state") != "on" or info(c, "aof_rewrites") != begun:
                raise Failure("the log was interrupted though nothing was changed")
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"1"', "GET", "a")


def databases(start):
    """As many as there may be: each keeps its keys through a snapshot and through the log."""
    far = 70001  # more than 16 bits
    with start("--workers", "2", "--appendonly", "yes", "--databases", str(far + 1)) as s:
        c = s.connect()
        for base in (False, True):
            for db in (0, far % 65536, far):
                c.command("SELECT", str(db))
                expect(c, ":1", "INCR", "%s in %d" % (base, db))
            if not base:
                expect(c, "+OK", "SAVE")
        s.end(signal.SIGKILL)
        s.again()
        c = s.connect()
        for db in (0, far % 65536, far):
            c.command("SELECT", str(db))
            expect(c, ":2", "DBSIZE")
            for base in (False, True):
                expect(c, '"1"', "GET", "%s in %d" % (base, db))


def no_log(start):
    """A log that cannot begin: CONFIG SET says so and nothing is changed; a start is refused."""
    with start("--workers", "2") as s:
        c = s.connect()
        with open(s.path("skep-wal"), "w") as f:
            f.write("in the way")
        expect(
            c,
            "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. "
            "Check server logs.",
            "CONFIG", "SET", "appendonly", "yes",
        )  # fmt: skip
        expect(c, '1) "appendonly"\n2) "no"', "CONFIG", "GET", "appendonly")
        expect(c, "+OK", "SET", "a", "1")
        s.end()
        if s.try_start("--appendonly", "yes") != 1:
            raise Failure("the start was not refused")
        os.unlink(s.path("skep-wal"))
        s.again("--appendonly", "yes")
        expect(s.connect(), "+OK", "SET", "a", "1")


def replaced(start):
    """SIGHUP replaces the log's writer, too, and no write fails or is lost."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        watch = Watch(s)
        all_running(watch, 2)
        with Crowd(s.port, 16, 8) as crowd:
            for _ in range(3):
                old = pid_of(s, WRITER)
                done = s.said("All processes were replaced")
                os.kill(s.proc.pid, signal.SIGHUP)
                wait_for("all are new", lambda: s.said("All processes were replaced") > done)
                if exists(old):
                    raise Failure("the old writer lives")
                crowd.alive()
        crowd.check_ledger(watch)
        check_arena(watch)
        s.end(signal.SIGKILL)
        s.again()
        crowd.check_ledger(s.connect())


def upgraded(start):
    """SIGUSR2 with the log on; a snapshot under way is waited for."""
    with start("--workers", "2", "--appendonly", "yes", "--rdb-key-save-delay", "100000") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "1000")
        with Crowd(s.port, 8, 8) as crowd:
            expect(c, "+Background saving started", "BGSAVE")
            os.kill(s.proc.pid, signal.SIGUSR2)
            wait_for("it says that it waits", lambda: s.said("The upgrade waits"))
            expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
            wait_for("it is taken over", lambda: s.said("has taken over"))
            wait_for("all are new", lambda: s.said("All processes were replaced"))
            if info(s.connect(), "rdb_last_bgsave_status") != "ok":
                raise Failure("the snapshot was broken off")
            time.sleep(0.2)
        crowd.check_ledger(s.connect())
        s.end()
        s.again()
        crowd.check_ledger(s.connect())


def reload(start):
    """DEBUG RELOAD and LOADAOF under load: other clients see LOADING at the worst, and nothing is lost."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "5000")
        for argv in (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF"), ("DEBUG", "RELOAD", "NOSAVE")):
            expect(c, "+OK", "SET", "a", "-".join(argv))
            expect(c, "+OK", *argv)
            expect(c, ":5001", "DBSIZE")
        expect(c, '"DEBUG-RELOAD"', "GET", "a")  # as it was saved: the last one loads the older file
        wait_for("the log is on", lambda: info(c, "wal_state") == "on")
        check_arena(c)
        s.end(signal.SIGKILL)
        s.again()
        expect(s.connect(), '"DEBUG-RELOAD"', "GET", "a")
        expect(s.connect(), ":5001", "DBSIZE")


def written_over(start):
    """A backup is copied over dump.rdb, in place: that is no matter of the log's. An older base under a newer one's name is refused."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        bases = lambda: [s.path("skep-wal/" + n) for n in os.listdir(s.path("skep-wal")) if n.startswith("base-") and n.endswith(".rdb")]
        c, older = s.connect(), None
        for value in ("1", "2"):
            was = bases()
            expect(c, "+OK", "SET", "a", value)
            expect(c, "+OK", "SAVE")
            expect(c, "+Background append only file rewriting started", "BGREWRITEAOF")
            wait_for("the last base alone is there", lambda: len(bases()) == 1 and bases() != was)
            with open(s.path("dump.rdb"), "rb") as f, open(bases()[0], "rb") as g:
                older = older or (f.read(), g.read())
        expect(c, "+OK", "SAVE")
        s.end()
        with open(s.path("dump.rdb"), "r+b") as f:
            f.truncate()
            f.write(older[0])
        s.again()
        expect(s.connect(), '"2"', "GET", "a")
        s.end()
        with open(bases()[0], "r+b") as f:
            f.truncate()
            f.write(older[1])
        if s.try_start() != 1 or not s.said("which is not the base that its name says"):
            raise Failure("an older file was taken for the base")


def flip(path):
    """Damages a file, or mends it again."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 0xFF
    with open(path + ".flipped", "wb") as f:
        f.write(data)
    os.rename(path + ".flipped", path)


def reload_fails(start):
    """What is being loaded again is damaged, or its loader dies: what there is in memory then does not replace what the log holds."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:

        def begins_again(*argv, kills=False):
            before, c = s.said("Ready to accept connections"), s.connect()
            c.send([a.encode() for a in argv])
            if kills:
                loaders = lambda: [p for p, t in children_of(s.proc.pid).items() if t.startswith("skep: loader")]
                kill(wait_for("a loader", loaders)[0])
            wait_for("all begins again", lambda: s.said("REBUILD") and (hurry(s) or s.said("Ready to accept connections") > before))
            c = s.connect()
            expect(c, ":3001", "DBSIZE")
            expect(c, '"1"', "GET", "only in the log")
            return c

        c = s.connect()
        c.command("DEBUG", "POPULATE", "3000")
        expect(c, "+OK", "SAVE")
        rewrite(c)  # the loader of an RDB file can be made slow
        expect(c, "+OK", "SET", "only in the log", "1")
        flip(s.path("dump.rdb"))
        c = begins_again("DEBUG", "RELOAD", "NOSAVE")
        expect(c, "+OK", "CONFIG", "SET", "key-load-delay", "20000")
        c = begins_again("DEBUG", "LOADAOF", kills=True)
        rewrite(c)
        base = max(n for n in os.listdir(s.path("skep-wal")) if n.startswith("base-"))
        flip(s.path("skep-wal/" + base))
        c.send([b"DEBUG", b"LOADAOF"])
        if s.proc.wait(WAIT_S) != 1:  # as redis-server, which ends as well
            raise Failure("exit code %r" % s.proc.returncode)
        flip(s.path("skep-wal/" + base))
        s.again()
        expect(s.connect(), ":3001", "DBSIZE")
        expect(s.connect(), '"1"', "GET", "only in the log")


class Reloaded(threading.Thread):
    """Counts up a key of its own in some way. While the keyspace is loaded it is refused; what was acknowledged counts."""

    def __init__(self, s, key, words):
        super().__init__(daemon=True)
        self.key, self.words, self.c = key, words, s.connect()
        self.acked, self.stopping, self.error = 0, False, None

    def run(self):
        try:
            while not self.stopping:
                self.count()
        except Exception as e:
            self.error = e

    def count(self):
        for argv in self.words:
            self.c.send(argv)
        answers = [self.c.read() for _ in self.words]
        last = answers[-1]
        if any(a.kind == "error" and a.value.split()[0] in (b"LOADING", b"EXECABORT") for a in answers):
            return
        value = last.value[0].value if last.kind == "array" else last.value
        if last.kind == "error" or int(value) != self.acked + 1:
            raise Failure("%s: %r after %d" % (self.key, last.value, self.acked))
        self.acked += 1


def reload_counts(start):
    """The same while others write, in workers and in slow lanes: each goes on counting where it was."""
    slow = b"local x = 0; for i = 1, 2000000 do x = x + 1 end; return redis.call('INCR', KEYS[1])"
    with start("--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        c.command("DEBUG", "POPULATE", "5000")
        ways = [("plain", [[b"INCR", b"plain"]]),
                ("exec", [[b"MULTI"], [b"INCR", b"exec"], [b"DBSIZE"], [b"EXEC"]]),
                ("script", [[b"EVAL", slow, b"1", b"script"]])]  # fmt: skip
        counters = [Reloaded(s, key, words) for key, words in ways]
        for counter in counters:
            counter.start()
        for argv in 4 * (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF")):
            before = [counter.acked for counter in counters]
            wait_for("they count", lambda: all(n.error or n.acked > b for n, b in zip(counters, before)))
            expect(c, "+OK", *argv)
        for counter in counters:
            counter.stopping = True
            counter.join(WAIT_S)
        for counter in counters:
            if counter.error:
                raise counter.error
            expect(c, '"%d"' % counter.acked, "GET", counter.key)
        check_arena(c)


def reload_ended(start):
    """SHUTDOWN while DEBUG RELOAD still saves: the last snapshot is made all the same. One that fails leaves what is there."""
    with start("--workers", "2", "--save", "3600 1000000") as s:
        c, d = s.connect(), s.connect()
        c.command("DEBUG", "POPULATE", "2000")
        os.mkdir(s.path("dump.rdb"))
        expect(c, "-ERR", "DEBUG", "RELOAD")
        os.rmdir(s.path("dump.rdb"))
        expect(c, ":2000", "DBSIZE")
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "20000")
        expect(c, "+OK", "SET", "kept", "1")
        d.send([b"DEBUG", b"RELOAD"])
        wait_for("it saves", lambda: info(c, "rdb_bgsave_in_progress") == "1")
        expect(c, "+OK", "CONFIG", "SET", "rdb-key-save-delay", "0")
        s.end()
        s.again()
        expect(s.connect(), ":2001", "DBSIZE")


if __name__ == "__main__":
    scenarios = (restart, snapshots, save_points, flushed, refused, damaged, loading, waiting, aborted, writer, master, drained, everybody,
                 snapshotter, loader, rebuilt, moved, switched, switched_whole, closed, owed, let_go, unnamed, together, databases, no_log,
                 replaced, upgraded, reload, reload_fails, written_over, reload_counts, reload_ended, rewrite_alone, rewrite_shrinks)  # fmt: skip
    sys.exit(main({f.__name__: f for f in scenarios}, Lasting))
