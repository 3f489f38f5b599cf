#!/usr/bin/env python3
"""Libraries of functions through restarts, deaths and replacements, and between redis-server and us."""

import os
import random
import shutil
import signal
import threading
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, main, wait_for, workers_of
from persist import Lasting
import resp
import server


def code(name, functions, says=1):
    lines = ["redis.register_function('%s', function(k, a) return a[1] or %d end)" % (f, says) for f in functions]
    return "\n".join(["#!lua name=" + name] + lines)


def call(c, function, *args):
    r = c.command("FCALL", function, "1", *args)
    if r.kind == "error":
        raise Failure("FCALL %s: %s" % (function, r.value))
    return r.value


def loaded(c, *argv):
    r = c.command("FUNCTION", "LOAD", *argv)
    if r.kind == "error":
        raise Failure("FUNCTION LOAD: %s" % r.value)


def listed(c):
    """{library: its code}, sound in itself: what is listed of a library is what its code says."""
    out = {}
    for lib in c.command("FUNCTION", "LIST", "WITHCODE").value:
        fields = dict(zip([x.value for x in lib.value[::2]], lib.value[1::2]))
        name, text = fields[b"library_name"].value, fields[b"library_code"].value
        functions = sorted(f.value[1].value for f in fields[b"functions"].value)
        said = sorted(line.split(b"'")[1] for line in text.split(b"\n") if line.startswith(b"redis.register_function('"))
        if functions != said or not text.startswith(b"#!lua name=" + name + b"\n"):
            raise Failure("%r is listed with the functions %r" % (text, functions))
        out[name] = text
    return out


def expect(what, wanted, got):
    if wanted != got:
        raise Failure("%s: wanted %.300r, got %.300r" % (what, wanted, got))


def some_changes(s, n):
    """Changes of every kind, by clients of all workers; answers what must be there then."""
    clients = [s.connect() for _ in range(4)]
    rnd = random.Random(n)
    for i in range(n):
        name = "lib%d" % rnd.randrange(6)
        loaded(rnd.choice(clients), "REPLACE", code(name, ["%s_f%d" % (name, j) for j in range(rnd.randrange(1, 5))], i))
        if rnd.random() < 0.2:
            rnd.choice(clients).command("FUNCTION", "DELETE", "lib%d" % rnd.randrange(6))
    dump = clients[0].command("FUNCTION", "DUMP").value
    kept = listed(clients[1])
    clients[2].command("FUNCTION", "FLUSH")
    expect("after FLUSH", {}, listed(clients[3]))
    expect("RESTORE", b"OK", clients[2].command("FUNCTION", "RESTORE", dump).value)
    loaded(clients[3], code("last%d" % n, ["last%d" % n]))
    kept[b"last%d" % n] = code("last%d" % n, ["last%d" % n]).encode()
    for c in clients:
        expect("for every client", kept, listed(c))
        c.close()
    return kept


def lasting(start):
    """In the log, in its base, in a snapshot; after a stop and after everybody's death."""
    with start("--workers", "2", "--appendonly", "yes", "--appendfsync", "always") as s:
        for n in (10, 25):
            kept = some_changes(s, n)
            s.end(signal.SIGKILL)
            s.again()
            expect("from the log", kept, listed(s.connect()))
            expect("SAVE", b"OK", s.connect().command("SAVE").value)
            s.end(signal.SIGKILL)
            s.again()
            expect("from its base", kept, listed(s.connect()))
            loaded(s.connect(), code("behind%d" % n, ["behind%d" % n]))
            kept = listed(s.connect())
            s.end()
            s.again()
            expect("from the base and what follows", kept, listed(s.connect()))
    with start("--workers", "2") as s:
        kept = some_changes(s, 15)
        expect("SAVE", b"OK", s.connect().command("SAVE").value)
        loaded(s.connect(), code("too_late", ["too_late"]))
        s.end(signal.SIGKILL)
        s.again()
        expect("from a snapshot", kept, listed(s.connect()))


def reload(start):
    """DEBUG RELOAD and LOADAOF; with NOFLUSH a library is in its own way, unless MERGE is said."""
    with start("--workers", "2", "--appendonly", "yes") as s:
        c = s.connect()
        kept = some_changes(s, 10)
        for how in (("RELOAD",), ("LOADAOF",), ("RELOAD", "NOFLUSH", "MERGE"), ("RELOAD",)):
            expect("DEBUG %r" % (how,), b"OK", c.command("DEBUG", *how).value)
            expect("after %r" % (how,), kept, listed(s.connect()))
        c.command("SAVE")
        loaded(c, code("not_saved", ["not_saved"]))
        expect("NOSAVE", b"OK", c.command("DEBUG", "RELOAD", "NOSAVE").value)
        expect("after NOSAVE", kept, listed(s.connect()))
        s.end()
        s.again()
        expect("after a restart", kept, listed(s.connect()))


def both_ways(start):
    """Files and payloads: what redis-server writes is loaded here, and the other way."""
    with start("--workers", "2") as s, server.Server("redis-server", ["--dbfilename", "dump.rdb"]) as r:
        ours, theirs = s.connect(), r.connect()
        kept = some_changes(s, 12)
        long_one = code("long", ["long"]) + "\n-- " + "x" * 30000
        loaded(ours, long_one)
        kept[b"long"] = long_one.encode()
        expect("RESTORE there", b"OK", theirs.command("FUNCTION", "RESTORE", ours.command("FUNCTION", "DUMP").value).value)
        expect("there", kept, listed(theirs))
        expect("RESTORE here", b"OK", ours.command("FUNCTION", "RESTORE", theirs.command("FUNCTION", "DUMP").value, "FLUSH").value)
        expect("here", kept, listed(s.connect()))
        for c in (ours, theirs):
            c.command("SET", "key", "value")
            expect("SAVE", b"OK", c.command("SAVE").value)
        shutil.copy(s.path("dump.rdb"), os.path.join(r.dir, "dump.rdb"))
        expect("DEBUG RELOAD there", b"OK", theirs.command("DEBUG", "RELOAD", "NOSAVE").value)
        expect("from our file", kept, listed(theirs))
        expect("SAVE there", b"OK", theirs.command("SAVE").value)
        s.end(signal.SIGKILL)
        shutil.copy(os.path.join(r.dir, "dump.rdb"), s.path("dump.rdb"))
        s.again()
        expect("from their file", kept, listed(s.connect()))


def replaced(start):
    """Workers that are replaced, and those of a new master, know what those before them knew."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        all_running(watch, 2)
        kept = some_changes(s, 10)
        for sig in (signal.SIGHUP, signal.SIGUSR2):
            old = [w["pid"] for w in workers_of(watch)[0]]
            os.kill(s.proc.pid, sig)
            all_running(watch, 2, *old)
            for i in range(4):
                c = s.connect()
                expect("in the new workers", kept, listed(c))
                expect("a call", 100 + i, int(call(c, "last10", "k", 100 + i)))
        s.end()
        expect("the exit code", 0, s.status)


class Loader(threading.Thread):
    """Loads and deletes libraries of its own, and notes what must be there: as of the last reply, and of the command
    that was under way."""

    def __init__(self, s, number):
        super().__init__(daemon=True)
        self.s, self.number, self.stopping = s, number, False
        self.rnd = random.Random(number)
        self.known, self.maybe, self.failed, self.done = {}, None, None, 0

    def run(self):
        try:
            self.work()
        except Exception as e:  # told to whoever joins us
            self.failed = repr(e)

    def work(self):
        c = None
        i = 0
        while not self.stopping and not self.failed:
            i += 1
            name = "w%d_%d" % (self.number, self.rnd.randrange(3))
            after = dict(self.known)
            if self.rnd.random() < 0.3 and name.encode() in after:
                argv = ("FUNCTION", "DELETE", name)
                del after[name.encode()]
            else:
                text = code(name, ["%s_%d" % (name, j) for j in range(self.rnd.randrange(1, 4))], i)
                text += "\n-- " + "y" * self.rnd.choice((0, 100, 9000))
                argv = ("FUNCTION", "LOAD", "REPLACE", text)
                after[name.encode()] = text.encode()
            self.maybe = after
            try:
                c = c or self.s.connect()
                r = c.command(*argv)
                if r.kind == "error" and not r.value.startswith(b"ERR the process that ran"):
                    self.failed = "%r: %r" % (argv[:3], r.value)
                elif r.kind != "error":
                    self.known, self.maybe = after, None
                    self.done += 1
                    continue
            except (OSError, resp.Closed):
                pass
            c = None
            self.settle()

    def settle(self):
        """After a connection was lost: one state or the other. A slow lane may have had the command, and goes on with it although
        its client has gone: the only lane has done with that when it answers."""
        now = wait_for("a list", self.own)
        if now["libraries"] not in (self.known, self.maybe):
            self.failed = "found %r; before %r, after %r" % (sorted(now["libraries"]), sorted(self.known), sorted(self.maybe))
        self.known, self.maybe = now["libraries"], None

    def own(self):
        try:
            c = self.s.connect()
            c.command("KEYS", "none")
            prefix = b"w%d_" % self.number
            found = {k: v for k, v in listed(c).items() if k.startswith(prefix)}
            c.close()
            return {"libraries": found}
        except (OSError, resp.Closed):
            return None


def killed(start):
    """Workers die while libraries are loaded, replaced and deleted: each change is there as a whole, or not at all."""
    with start("--workers", "2", "--slow-lanes", "1", "--appendonly", "yes", "--appendfsync", "always") as s:
        watch = Watch(s)
        all_running(watch, 2)
        loaders = [Loader(s, i) for i in range(4)]
        for t in loaders:
            t.start()
        rnd = random.Random(5)
        for n in range(6):
            time.sleep(0.15)
            victim = rnd.choice(all_running(watch, 2))["pid"]
            os.kill(victim, signal.SIGKILL)
            all_running(watch, 2, victim)
        for t in loaders:
            t.stopping = True
        wanted = {}
        for t in loaders:
            t.join(WAIT_S)
            if t.failed or t.is_alive():
                raise Failure(t.failed or "a client does not come back")
            wanted.update(t.known)
        expect("in the end", wanted, listed(s.connect()))
        check_arena(watch)
        s.end(signal.SIGKILL)
        s.again()
        expect("after everybody's death", wanted, listed(s.connect()))
        print("%d changes" % sum(t.done for t in loaders))


class Caller(threading.Thread):
    """Calls a function whose library is replaced all the time. A call that begins after a change was answered must see it,
    on whatever worker; and what it changes happens once."""

    def __init__(self, s, versions):
        super().__init__(daemon=True)
        self.s, self.versions, self.stopping = s, versions, False
        self.failed, self.sent, self.acked = None, 0, 0

    def run(self):
        c = None
        while not self.stopping and not self.failed:
            floor = self.versions["acked"]
            self.sent += 1
            try:
                c = c or self.s.connect()
                r = c.command("FCALL", "version", "1", "counter")
            except (OSError, resp.Closed):
                c = None
                continue
            if r.kind == "int" and floor <= int(r.value) <= self.versions["sent"]:
                self.acked += 1
            elif r.kind != "error" or not r.value.startswith(b"ERR the process that ran"):
                self.failed = "%s %r, when version %d was loaded" % (r.kind, r.value, floor)


VERSION = """#!lua name=versions
local version = %d
redis.register_function('version', function(k) redis.call('incr', k[1]) return version end)"""


def called(start):
    """Calls on all workers while libraries change and workers die."""
    with start("--workers", "2", "--slow-lanes", "1") as s:
        watch = Watch(s)
        all_running(watch, 2)
        versions = {"sent": 1, "acked": 0}
        loaded(s.connect(), VERSION % 1)
        callers = [Caller(s, versions) for _ in range(4)]
        for t in callers:
            t.start()
        end, c = time.monotonic() + 2, None
        kills = 0
        while time.monotonic() < end:
            versions["sent"] += 1
            try:
                if not c:
                    c = s.connect()
                    c.command("KEYS", "none")  # as in Loader.settle
                loaded(c, "REPLACE", VERSION % versions["sent"])
                versions["acked"] = versions["sent"]
            except (OSError, resp.Closed):
                c = None
            if time.monotonic() > end - 2 + 0.5 * (kills + 1) and kills < 3:
                kills += 1
                os.kill(workers_of(watch)[0][kills % 2]["pid"], signal.SIGKILL)
                wait_for("it is repaired", lambda n=kills: workers_of(watch)[1]["crashes_repaired"] >= n)
                all_running(watch, 2)
        for t in callers:
            t.stopping = True
        for t in callers:
            t.join(WAIT_S)
            if t.failed or t.is_alive():
                raise Failure(t.failed or "a client does not come back")
        count = int(watch.command("GET", "counter").value)
        acked, sent = sum(t.acked for t in callers), sum(t.sent for t in callers)
        if not acked <= count <= sent:
            raise Failure("the counter is %d; acknowledged %d, sent %d" % (count, acked, sent))
        check_arena(watch)
        print("%d versions, %d calls" % (versions["acked"], acked))


if __name__ == "__main__":
    raise SystemExit(main({f.__name__: f for f in (lasting, reload, both_ways, replaced, killed, called)}, Lasting))
