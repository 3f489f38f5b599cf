#!/usr/bin/env python3
"""skepctl wal on made logs: `wal_tool.py SCENARIO build/tests/load_dir build/tests/make_wal build/skepctl`.

What is sound, torn or damaged follows from persist/README.md; that a repaired log is what skepctl said is judged by
the loaders, and what it prints by redis-server.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from load_log import ON, Log, names, words  # noqa: E402
from loading import Failed, Folder, Redis, command, expect, main, read, write  # noqa: E402

SOUND, UNREADABLE, TORN, DAMAGED = 0, 1, 2, 3


def tool(skepctl, code, said, *args):
    """The output; code and pattern must be as wanted."""
    done = subprocess.run([skepctl, "wal", *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    out = done.stdout.decode("latin-1") + done.stderr.decode("latin-1")
    if done.returncode != code or not re.search(said, out):
        raise Failed("skepctl wal %s: %d, wanted %d with %r:\n%s" % (" ".join(args), done.returncode, code, said, out))
    return done.stdout


def sets(first, last):
    return [(n, 0, command("SET", "n", n), command("SET", "k%d" % n, n)) for n in range(first, last + 1)]


def make(f, make_wal, synced=0):
    """Records 11 to 40 in three segments behind base 10, two frames each."""
    log = Log(f, make_wal)
    log.base(10, command("SET", "n", 10), command("SET", "base", 1))
    told = []
    for number, first in ((3, 11), (4, 21), (5, 31)):
        frames = [sets(first, first + 4), (True, sets(first + 5, first + 9))]
        told.append([(int(a), int(b)) for a, b, _ in log.segment(number, first - 1, frames, synced=synced)])
    return log, told


def everything(f):
    found = {}
    for folder, _, files in os.walk(f.path("skep-wal")):
        for name in files:
            if name != "lock":
                path = os.path.join(folder, name)
                found[os.path.relpath(path, f.path("skep-wal"))] = read(path)
    return found


def change(path, at, by=1):
    data = bytearray(read(path))
    data[at] ^= by
    write(path, bytes(data))


def sound(program, make_wal, skepctl):
    """A sound log, by all ways to name it; none; a folder that is not there."""
    with Folder(program) as f:
        tool(skepctl, UNREADABLE, "No such file", "check", f.dir)
        os.mkdir(f.path("skep-wal"))
        tool(skepctl, SOUND, "There is no log", "check", f.dir)
        make(f, make_wal)
        before = everything(f)
        f.write("skep.conf", b"port 7\ndir " + f.dir.encode() + b"\n")
        for where in ([f.dir], [f.path("skep-wal")], [f.path("skep-wal/")], ["--config", f.path("skep.conf")]):
            tool(skepctl, SOUND, r"is sound: 30 records behind the base, the last one is 40\.", "check", *where)
        tool(skepctl, SOUND, r"2 keys, everything up to record 10\n", "check", f.dir)
        tool(skepctl, SOUND, "is sound", "repair", "--yes", f.dir)
        expect("nothing was changed", before, everything(f))
        for wrong in (["check", f.dir, f.dir], ["check", "--what"], ["mend", f.dir], []):
            tool(skepctl, UNREADABLE, "Usage", *wrong)


def torn(program, make_wal, skepctl):
    """An end that is cut, at each of some places; the start would do the same."""
    with Folder(program) as f:
        log, told = make(f, make_wal)
        data = read(log.path(5))
        for at in (told[2][0][0] + 1, told[2][0][1] - 1, told[2][1][0] + 40, told[2][1][1] - 1):
            write(log.path(5), data[:at])
            end, last = told[2][1][0], 35
            if at < end:
                end, last = told[2][0][0], 30
            tool(skepctl, TORN, r"offset %d: .* record %d is the last" % (end, last), "check", f.dir)
            tool(skepctl, SOUND, r"is cut at offset %d" % end, "repair", f.dir)
            expect("the file", data[:end], read(log.path(5)))
            tool(skepctl, SOUND, "the last one is %d" % last, "check", f.dir)
            got = f.loads(*ON)
            expect("loaded", (last, str(last)), (words(got)["lsn"], names(got)[0, "n"]))


def damaged(program, make_wal, skepctl):
    """A bad frame in the middle: what is in front of it is kept, what follows is put aside, and nothing without --yes."""
    with Folder(program) as f:
        log, told = make(f, make_wal)
        whole = everything(f)
        for number, which, last, lost in ((4, 1, 25, 10), (3, 0, 10, 25), (3, 1, 15, 20), (5, 0, 30, 5)):
            for name, data in whole.items():
                f.write("skep-wal/" + name, data)
            at = told[number - 3][which][0]
            if number == 5:  # in the last segment it is damage if a later frame knows that it was synced
                make(f, make_wal, synced=31)
            change(log.path(number), at + 50)
            before = everything(f)
            f.refuses("damaged", *ON)
            tool(skepctl, DAMAGED, r"%016x\.wal, offset %d: .* Up to record %d it is good" % (number, at, last), "check", f.dir)
            said = r"everything up to record %d\. .*; %d records up to 40 can still be read" % (last, lost)
            tool(skepctl, DAMAGED, said, "repair", f.dir)
            expect("nothing was changed", before, everything(f))
            tool(skepctl, SOUND, said, "repair", "--yes", f.dir)
            tool(skepctl, SOUND, "is sound", "check", f.dir)
            got = f.loads(*ON)
            expect("loaded", (last, str(last)), (words(got)["lsn"], names(got)[0, "n"]))
            aside, kept = {}, {}
            for name, data in everything(f).items():
                folder, name = os.path.split(name)
                (aside if folder else kept)[name] = data
            for name, data in before.items():
                tail = "%s.from-%d" % (name, at)
                there = kept.get(name, b"") + aside.get(name, b"") + aside.get(tail, b"")
                expect("%s, all of it" % name, data, there)
            for folder in os.listdir(f.path("skep-wal")):
                if folder.startswith("damaged-"):
                    for name in os.listdir(f.path("skep-wal/" + folder)):
                        os.unlink(f.path("skep-wal/%s/%s" % (folder, name)))
                    os.rmdir(f.path("skep-wal/" + folder))


def gone(program, make_wal, skepctl):
    """A missing segment, one of another log, a segment with a bad head, a base that is bad or gone."""
    with Folder(program) as f:
        log, _ = make(f, make_wal)
        data = read(log.path(4))
        os.unlink(log.path(4))
        tool(skepctl, DAMAGED, "segment before this one is missing.* Up to record 20", "check", f.dir)
        log.segment(4, 20, [sets(21, 30)], log=77)
        tool(skepctl, DAMAGED, "another log.* Up to record 20", "check", f.dir)
        write(log.path(4), data)
        change(log.path(4), 20)
        tool(skepctl, DAMAGED, "checksum of the segment's head", "check", f.dir)
        tool(skepctl, SOUND, "everything up to record 20", "repair", "--yes", f.dir)
        expect("loaded", 20, words(f.loads(*ON))["lsn"])
        base = f.path("skep-wal/base-%016x.rdb" % 10)
        data = read(base)
        change(base, len(read(base)) - 1)
        tool(skepctl, DAMAGED, "its base is bad: ", "check", f.dir)
        tool(skepctl, UNREADABLE, "without a good base", "repair", "--yes", f.dir)
        # One that says itself up to where it goes.
        for number, code, said in ((10, SOUND, "is sound"), (9, DAMAGED, "its base is bad: it holds everything up to record 9, not 10 as its name says")):
            write(base, data[:9] + b"\xfa\x08skep-lsn\xc0" + bytes([number]) + data[9:-8] + bytes(8))
            tool(skepctl, code, said, "check", f.dir)
        f.refuses("which is not the base that its name says", *ON)
        os.unlink(base)
        os.mkdir(base)
        tool(skepctl, UNREADABLE, "cannot read base-", "check", f.dir)
        tool(skepctl, UNREADABLE, "cannot read base-", "repair", "--yes", f.dir)
        os.rmdir(base)
        tool(skepctl, DAMAGED, "not the base that they follow", "check", f.dir)


def dump(program, make_wal, skepctl):
    """What is printed gives redis-server the same keys, piece by piece the same databases, and whole transactions."""
    with Folder(program) as f:
        log = Log(f, make_wal)
        log.base(3)
        log.segment(1, 0, [[(n, 0, command("SET", "old", n)) for n in (1, 2, 3)]])
        records = [
            (4, 0, command("SET", "a", 1)),
            (5, 2, command("SET", "a", "2\r\n*1\r\n")),
            (6, 2, command("APPEND", "a", "x"), command("SELECT", 1), command("SET", "b", "")),
            (8, 2, command("INCR", "n"), command("INCR", "n")),
            (9, 0, command("DEL", "a"), command("SET", "c", "\0\xff")),
        ]
        log.segment(2, 3, [records[:2], (True, records[2:])])
        out = tool(skepctl, SOUND, "", "dump", f.dir)
        with Redis() as judge:
            done = subprocess.run(["redis-cli", "-p", str(judge.server.port), "--pipe"], input=out, capture_output=True, check=False)
            if done.returncode or b"errors: 0" not in done.stdout:
                raise Failed("redis-cli --pipe: %r" % done)
            expect("redis-server's keys", f.loads(*ON).keys, judge.keys())
        text = b"".join(
            [
                command("SELECT", 0), *records[0][2:], command("SELECT", 2), *records[1][2:],
                command("MULTI"), *records[2][2:], command("EXEC"),
                command("SELECT", 2), command("MULTI"), *records[3][2:], command("EXEC"),
                command("SELECT", 0), command("MULTI"), *records[4][2:], command("EXEC"),
            ]
        )  # fmt: skip
        expect("what is printed", text, out)
        old = b"".join(command("SET", "old", n) for n in (1, 2, 3))
        expect("with what the base holds", command("SELECT", 0) + old + text[len(command("SELECT", 0)) :],
               tool(skepctl, SOUND, "", "dump", "--all", f.dir))


def locked(program, make_wal, skepctl):
    """A server writes the log: it may be looked at, not repaired."""
    import fcntl

    with Folder(program) as f:
        log, told = make(f, make_wal)
        write(log.path(5), read(log.path(5))[: told[2][1][1] - 1])
        with open(f.path("skep-wal/lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tool(skepctl, TORN, "a server is writing this log", "check", f.dir)
            tool(skepctl, UNREADABLE, "stop it first", "repair", "--yes", f.dir)
        tool(skepctl, SOUND, "is cut", "repair", f.dir)


SCENARIOS = {s.__name__: s for s in (sound, torn, damaged, gone, dump, locked)}

if __name__ == "__main__":
    main(SCENARIOS, sys.argv)
