#!/usr/bin/env python3
"""Scripts under kills: `scripts.py SCENARIO build/skep`. Scripts move money between accounts that they do not declare, in long
scripts and short ones, in transactions and outside; the sum never changes, whoever dies."""

import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bank import ACCOUNTS, TOTAL, Client, everybody_works, kill_some, open_accounts, total  # noqa: E402
from crowd import check_arena, children_of, renew, wait_for  # noqa: E402
from loading import Failed, expect, main  # noqa: E402
from recovery import WAIT_S, Skep  # noqa: E402
import resp  # noqa: E402

TELLERS, SECONDS = 6, 5

# The accounts' names and databases are made up in the script; turns make it long.
MOVE = """
local function account(n) redis.call('select', n % 2) return 'acc' .. math.floor(n / 2) end
local a, b, amount, turns = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('decrby', account(a), amount)
redis.call('set', 'note' .. a, string.rep('x', turns % 3000))
for i = 1, turns do end
redis.call('incrby', account(b), amount)
if amount % 10 == 0 then redis.pcall('lpush', account(b), 1) end
return redis.call('get', account(a)) + redis.call('get', account(b))
"""
SUM = """
local sum = 0
for db = 0, 1 do
  redis.call('select', db)
  for i = 0, %d do sum = sum + redis.call('get', 'acc' .. i) end
end
return sum
""" % (ACCOUNTS - 1)
WHOLE = "redis.call('decrby', 'acc0', 7) local n = redis.call('dbsize') redis.call('incrby', 'acc1', 7) return n"
BROKEN = "redis.call('decrby', 'acc1', 3) redis.call('incrby', 'acc2', 3) error('stop')"


class Teller(Client):
    def turn(self):
        r = self.r
        move = [r.randrange(2 * ACCOUNTS), r.randrange(2 * ACCOUNTS), r.randrange(1, 50), r.choice((0, 0, 0, 100, 300000))]
        kind = r.randrange(12)
        if kind == 0:
            asked, wanted = [["EVAL", WHOLE, 0]], "int"
        elif kind == 1:
            asked, wanted = [["EVAL", BROKEN, 0]], "error"
        elif kind == 2:
            asked, wanted = [["MULTI"], ["DECRBY", "acc3", 5], ["EVAL", MOVE, 1, "acc0"] + move, ["EVAL", MOVE, 0] + move,
                             ["INCRBY", "acc3", 5], ["EXEC"]], "array"
        else:
            asked, wanted = [["EVAL", MOVE, 0] + move], "int"
        last = self.ask(*asked)[-1]
        if last.kind == "error" and b"not known" in last.value:  # the lane has died
            self.broken += 1
        elif last.kind != wanted:
            self.wrong = "%r answered %r" % (asked[-1][:1], last.value)
        else:
            self.done += 1


class Auditor(Client):
    def turn(self):
        if self.r.randrange(2):
            answer = self.ask(["EVAL", SUM, 0])[0]
        else:
            done = self.ask(["MULTI"], ["EVAL", SUM, 0], ["EXEC"])[-1]
            answer = done.value[0] if done.kind == "array" else done  # a slow machine may have given it to a lane, which died
        if answer.kind == "error" and b"not known" in answer.value:
            self.broken += 1
        elif int(answer.value) != TOTAL:
            self.wrong = "the sum is %r" % answer.value
        self.done += 1


def kills(program, *args):
    seed = int(args[1]) if len(args) > 1 else random.randrange(1 << 30)
    r = random.Random(seed)
    with Skep(program, "--appendonly", "yes", "--appendfsync", "everysec") as s:
        c = s.start()
        open_accounts(c)
        crowd = [Teller(s.server.port, r.random()) for _ in range(TELLERS)] + [Auditor(s.server.port, r.random())]
        for t in crowd:
            t.start()
        n = kill_some(s, r, SECONDS, everybody=True)
        everybody_works(crowd)
        for t in crowd:
            t.stop()
        c = resp.Connection(port=s.server.port)
        expect("seed %d: the sum after %d kills" % (seed, n), TOTAL, total(c))
        check_arena(c)
        s.end()
        c = s.start()
        expect("seed %d: the sum after the restart" % seed, TOTAL, total(c))
        print("%d transfers, %d audits, %d connections broken, %d kills"
              % (sum(t.done for t in crowd[:-1]), crowd[-1].done, sum(t.broken for t in crowd), n))
        s.end()


def long(program, *_):
    """A script without end stops nobody but those who want its keys; its lane's death undoes it."""
    with Skep(program, "--busy-reply-threshold", "100", "--slow-lanes", "2") as s:
        c = s.start()
        c.command("MSET", "k", "1", *[w for i in range(2000) for w in ("other%d" % i, "1")])
        endless = resp.Connection(port=s.server.port)
        endless.send([b"EVAL", b"redis.call('incr', KEYS[1]) while true do end", b"1", b"k"])
        end = time.monotonic() + WAIT_S
        while c.command("GET", "k").kind != "error":  # -BUSY
            if time.monotonic() > end:
                raise Failed("nobody was told that a script is busy")
        answered = sum(c.command("GET", "other%d" % i).value == b"1" for i in range(2000))
        expect("other keys that are answered for", 2000, answered)
        expect("a command of the slow lane", 2001, len(c.command("KEYS", "*").value))
        expect("another script of the slow lane", b"4", c.command("EVAL", "for i = 1, 1e6 do end return 4", "0").value)
        expect("all databases", b"BUSY", c.command("FLUSHALL").value.split()[0])
        expect("what has written", b"UNKILLABLE", c.command("SCRIPT", "KILL").value.split()[0])
        os.kill(busy_lane(s), signal.SIGKILL)
        answer = endless.read()
        expect("its client", True, b"not known" in answer.value)
        end = time.monotonic() + WAIT_S
        while True:
            answer = c.command("GET", "k")
            if answer.kind != "error":
                break
            if time.monotonic() > end:
                raise Failed("its key stayed locked")
        expect("what it did", b"1", answer.value)
        check_arena(c)
        s.end()


ENDLESS = (b"while true do end", b"0")  # without a key: one that shares its bucket would wait for it
LONG = b"for i = 1, 1e6 do end return 4"


def evals(s, *calls):
    """A connection for each script, which is sent and not waited for."""
    asked = [resp.Connection(port=s.server.port) for _ in calls]
    for c, words in zip(asked, calls):
        c.send([b"EVAL"] + list(words))
    return asked


def wait_until(what, done):
    end = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > end:
            raise Failed(what)
        time.sleep(0.02)


def cpu_ticks(pid):
    """Hundredths of a second for which it has computed."""
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[11])


def lanes(s):
    return [pid for pid, title in children_of(s.server.proc.pid).items() if "slow lane" in title]


def beside(program, *_):
    """What was given to a lane that then began a script without end is taken back, and run by the other one."""
    with Skep(program, "--workers", "1", "--slow-lanes", "2", "--busy-reply-threshold", "600000", "--worker-watchdog-ms", "60000") as s:
        c = s.start()
        expect("a long script, which is known to be long now", 4, int(c.command("EVAL", LONG, "0").value))
        c.command("SET", "k", "1")
        for pid in lanes(s):
            os.kill(pid, signal.SIGSTOP)
        asked = evals(s, *[ENDLESS] + [(LONG, b"0")] * 8)
        c.send([b"MULTI"])
        c.send([b"EVAL", LONG, b"0"])
        c.send([b"EXEC"])
        values = [resp.Connection(port=s.server.port) for _ in range(4)]
        for i, v in enumerate(values):
            v.send([b"SET", b"v%d" % i, b"v" * 3000000])
        time.sleep(0.5)
        for pid in lanes(s):
            os.kill(pid, signal.SIGCONT)
        for each in asked[1:]:
            expect("a script beside it", 4, int(each.read().value))
        for v in values:
            expect("a long value beside it", b"OK", v.read().value)
        expect("a transaction beside it", [b"4"], [v.value for v in [c.read() for _ in range(3)][2].value])
        expect("the end of the endless one", b"OK", c.command("SCRIPT", "KILL").value)
        expect("its error", True, b"Script killed by user" in asked[0].read().value)
        check_arena(c)
        s.end()


def untaken(program, *_):
    """What a lane had not begun with as it died is run by another one: its client learns of nothing."""
    with Skep(program, "--workers", "2", "--slow-lanes", "2", "--worker-watchdog-ms", "60000") as s:
        c = s.start()
        expect("a long script, which is known to be long now", 4, int(c.command("EVAL", LONG, "0").value))
        for pid in lanes(s):
            os.kill(pid, signal.SIGSTOP)
        asked = evals(s, *[(b"redis.call('incr', 'n') " + LONG, b"0")] * 8)
        value = resp.Connection(port=s.server.port)
        value.send([b"SET", b"v", b"v" * 3000000])
        time.sleep(0.5)
        for pid in lanes(s):
            os.kill(pid, signal.SIGKILL)
        for each in asked:
            expect("a script", b"4", each.read().value)
        expect("a long value", b"OK", value.read().value)
        expect("how often they have run", b"8", c.command("GET", "n").value)
        check_arena(c)
        s.end()


def taken(program, *_):
    """Scripts without end in all lanes: what needs a lane is answered with -BUSY, and all of them can be killed."""
    with Skep(program, "--workers", "2", "--slow-lanes", "2", "--busy-reply-threshold", "300") as s:
        c = s.start()
        c.command("MSET", "a", "1", "b", "1", "other", "1")
        before = {pid: cpu_ticks(pid) for pid in lanes(s)}
        asked = evals(s, ENDLESS, ENDLESS)
        time.sleep(0.1)
        waiting = evals(s, (LONG, b"0"))[0]
        wait_until("nobody was told that scripts are busy", lambda: c.command("KEYS", "*").kind == "error")
        # The kill spares what has just begun: both have computed for longer than the threshold, besides the one that may have waited.
        wait_until("a lane does not compute", lambda: all(cpu_ticks(pid) - before[pid] > 60 for pid in before))
        if waiting.read().value.split()[0] not in (b"BUSY", b"4"):
            raise Failed("what has waited for a lane got something else")
        expect("keys", b"BUSY", c.command("KEYS", "*").value.split()[0])
        expect("a long value", b"BUSY", c.command("SET", "long", "x" * 3000000).value.split()[0])
        expect("another script", b"BUSY", c.command("EVAL", LONG, "0").value.split()[0])
        c.command("MULTI")
        c.command("KEYS", "*")
        expect("a transaction", b"EXECABORT Transaction discarded because of: BUSY", c.command("EXEC").value[:48])
        expect("after it", "error", c.command("EXEC").kind)
        expect("others' keys", b"1", c.command("GET", "other").value)
        expect("the kill", b"OK", c.command("SCRIPT", "KILL").value)
        for each in asked:
            expect("its error", True, b"Script killed by user" in each.read().value)
        expect("another kill", b"NOTBUSY", c.command("SCRIPT", "KILL").value.split()[0])
        expect("another script", 4, int(c.command("EVAL", LONG, "0").value))
        expect("all keys", 3, len(c.command("KEYS", "*").value))
        check_arena(c)
        s.end()


def patient(program, *_):
    """What a script is in the way of waits for it, whatever it is, as long as the script is not said to be too long."""
    with Skep(program, "--workers", "2", "--slow-lanes", "6", "--busy-reply-threshold", "600000") as s:
        c = s.start()
        c.command("MSET", "a", "1", "b", "1")
        script = evals(s, (b"redis.call('incr', KEYS[1]) while tonumber(redis.call('time')[1]) < %d do end"
                           b" return redis.call('incr', KEYS[1])" % (time.time() + 5), b"1", b"a"))[0]
        time.sleep(0.3)
        waiting = [resp.Connection(port=s.server.port) for _ in range(4)]
        waiting[0].send([b"KEYS", b"*"])
        waiting[1].send([b"SORT", b"b", b"BY", b"nosort", b"GET", b"a"])
        waiting[2].send([b"EVAL", LONG + b" + redis.call('get', KEYS[1])", b"1", b"a"])
        waiting[3].send([b"DEBUG", b"ARENA", b"CHECK"])
        expect("the script", b"3", script.read().value)
        for what, kind, w in zip(("KEYS", "SORT", "another script", "the check"), ("array", "error", "int", "status"), waiting):
            answer = w.read()
            expect("%s: %.100r" % (what, answer.value), kind, answer.kind)
        c.command("FLUSHALL")
        s.end()


def gated(program, *_):
    """What a lane has taken waits for as long as another one keeps the gate closed."""
    with Skep(program, "--workers", "2", "--slow-lanes", "2", "--worker-watchdog-ms", "60000") as s:
        c = s.start()
        c.command("SET", "k", "1")
        stopped = lanes(s)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        # Few requests go to one of the two: of so many each has some.
        lasts = b"while tonumber(redis.call('time')[1]) < %d do end return 4" % (time.time() + 4)
        closing, waiting = [[resp.Connection(port=s.server.port) for _ in range(50)] for _ in range(2)]
        for a, b in zip(closing, waiting):
            for words in ([b"MULTI"], [b"SWAPDB", b"1", b"2"], [b"EVAL", lasts, b"0"], [b"EXEC"]):
                a.send(words)
            b.send([b"KEYS", b"*"])
        time.sleep(0.5)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        for a, b in zip(closing, waiting):
            done, keys = [a.read() for _ in range(4)][3], b.read()
            expect("a transaction: %.100r" % done.value, "array", done.kind)
            expect("KEYS: %.100r" % keys.value, "array", keys.kind)
        check_arena(c)
        s.end()


def spared(program, *_):
    """SCRIPT KILL ends those that have taken too long, and not one that has just begun."""
    with Skep(program, "--workers", "2", "--slow-lanes", "2", "--busy-reply-threshold", "4000") as s:
        c = s.start()
        old = evals(s, ENDLESS)[0]
        wait_until("it takes no time", lambda: c.command("FLUSHALL").value.split()[0] == b"BUSY")
        young = evals(s, ENDLESS)[0]
        time.sleep(0.3)
        expect("the first kill", b"OK", c.command("SCRIPT", "KILL").value)
        expect("the old one", True, b"Script killed by user" in old.read().value)
        wait_until("the young one was not there", lambda: c.command("SCRIPT", "KILL").value == b"OK")
        expect("the young one", True, b"Script killed by user" in young.read().value)
        check_arena(c)
        s.end()


def rolled(program, *_):
    """A lane that is replaced gives a long script back, whatever it has written: another one runs it from its beginning. What EXEC
    has run before the transaction is not run again."""
    with Skep(program, "--workers", "2", "--slow-lanes", "3") as s:
        c = s.start()
        here, also = "127.0.0.1", "127.0.0.1 127.0.0.2"
        until = (b"redis.call('incr', KEYS[1]) while tonumber(redis.call('time')[1]) < %d do end return redis.call('get', KEYS[1])"
                 % (time.time() + 6))
        endless = evals(s, ENDLESS)[0]
        other = resp.Connection(port=s.server.port)
        bind = [b"CONFIG", b"SET", b"bind", also.encode()]  # a lane does that
        for words in ([b"MULTI"], [b"INCR", b"m"], bind, [b"EVAL", until, b"1", b"m"], [b"EXEC"]):
            other.send(words)
        wait_until("the addresses are set", lambda: c.command("CONFIG", "GET", "bind").value[1].value == also.encode())
        expect("the old addresses", b"OK", c.command("CONFIG", "SET", "bind", here).value)
        time.sleep(0.3)
        renew(s.server.proc.pid)
        answers = [other.read(40) for _ in range(5)]
        if answers[4].kind != "array":
            raise Failed("the transaction got %r" % answers[4].value)
        expect("the transaction", [b"1", b"OK", b"2"], [v.value for v in answers[4].value])
        expect("the addresses", here.encode(), c.command("CONFIG", "GET", "bind").value[1].value)
        wait_until("the endless one is not there any more", lambda: c.command("SCRIPT", "KILL").value == b"OK")
        expect("the endless one, which went on", True, b"Script killed by user" in endless.read().value)
        expect("what it has done", b"2", c.command("GET", "m").value)
        check_arena(c)
        s.end()


def ended_within(program, *_):
    """The end of the server tells EXEC that its script was undone: no null, which would mean that a watched key has changed."""
    with Skep(program, "--save", "100 1") as s:
        c = s.start()
        other = resp.Connection(port=s.server.port)
        for words in ([b"MULTI"], [b"EVAL", b"redis.call('incr', 'k') while true do end", b"0"], [b"EXEC"]):
            other.send(words)
        busy_lane(s)
        c.send([b"SHUTDOWN"])
        answer = [other.read() for _ in range(3)][2]
        expect("EXEC", b"EXECABORT", (answer.value or b"null").split()[0])
        s.server.proc.wait(WAIT_S)


def ended(program, *_):
    """SHUTDOWN NOSAVE does not wait for a script without end."""
    with Skep(program, "--shutdown-timeout", "600") as s:
        c = s.start()
        endless = resp.Connection(port=s.server.port)
        endless.send([b"EVAL", b"redis.call('incr', 'k') while true do end", b"0"])
        busy_lane(s)
        c.send([b"SHUTDOWN", b"NOSAVE"])
        s.server.proc.wait(WAIT_S)


def busy_lane(s):
    """The lane that computes: the others hardly do. Workers serve before the last lane has been forked and bears its title."""
    before = {}

    def computing():
        now = {pid: cpu_ticks(pid) for pid in lanes(s)}
        return [pid for pid, n in now.items() if n - before.setdefault(pid, n) > 20]

    return wait_for("one computes", computing)[0]


def moved(program, *_):
    """Scripts are known after all workers have been replaced, and so are those of a dead one."""
    with Skep(program) as s:
        c = s.start()
        sha = c.command("SCRIPT", "LOAD", "return 'loaded'").value.decode()
        c.command("EVAL", "return 'evaluated'", "0")
        other = c.command("EVAL", "return redis.sha1hex(ARGV[1])", "0", "return 'evaluated'").value.decode()
        renew(s.server.proc.pid)
        expect("what was loaded", b"loaded", c.command("EVALSHA", sha, "0").value)
        expect("what was evaluated", b"evaluated", c.command("EVALSHA", other, "0").value)
        check_arena(c)
        s.end()


def many(program, *_):
    """Bodies that come by EVAL displace one another; what was loaded stays."""
    with Skep(program) as s:
        c = s.start()
        sha = c.command("SCRIPT", "LOAD", "return 'loaded'").value.decode()
        first = c.command("EVAL", "return redis.sha1hex('return -1')", "0").value.decode()
        c.command("EVAL", "return -1", "0")
        for i in range(0, 3000, 100):
            c.send_raw(b"".join(resp.encode([b"EVAL", b"return %d" % n, b"0"]) for n in range(i, i + 100)))
            for n in range(i, i + 100):
                expect("the reply", n, int(c.read().value))
        expect("the first", [0, 1], [int(v.value) for v in c.command("SCRIPT", "EXISTS", first, sha).value])
        expect("what was loaded", b"loaded", c.command("EVALSHA", sha, "0").value)
        check_arena(c)
        s.end()


if __name__ == "__main__":
    sys.exit(main({"kills": kills, "long": long, "moved": moved, "many": many, "ended": ended, "beside": beside, "taken": taken,
                   "spared": spared, "untaken": untaken, "patient": patient, "rolled": rolled, "ended_within": ended_within, "gated": gated}, sys.argv))
