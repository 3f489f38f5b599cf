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
            answer = self.ask(["MULTI"], ["EVAL", SUM, 0], ["EXEC"])[-1].value[0]
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


def ended(program, *_):
    """SHUTDOWN NOSAVE does not wait for a script without end."""
    with Skep(program, "--shutdown-timeout", "600") as s:
        c = s.start()
        endless = resp.Connection(port=s.server.port)
        endless.send([b"EVAL", b"redis.call('incr', 'k') while true do end", b"0"])
        time.sleep(0.3)
        c.send([b"SHUTDOWN", b"NOSAVE"])
        s.server.proc.wait(WAIT_S)


def busy_lane(s):
    """The lane that computes: the others hardly do."""
    lanes = [pid for pid, title in children_of(s.server.proc.pid).items() if "lane" in title]

    def ticks(pid):
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rsplit(")", 1)[1].split()[11])

    before = {pid: ticks(pid) for pid in lanes}
    return wait_for("one computes", lambda: [pid for pid in lanes if ticks(pid) - before[pid] > 20])[0]


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
    sys.exit(main({"kills": kills, "long": long, "moved": moved, "many": many, "ended": ended}, sys.argv))
