#!/usr/bin/env python3
"""The slow lane and the workers' talk with it under bad luck: crowds, readers that do not read, deaths in the middle of a reply."""

import os
import signal
import sys
import threading
import time

from crowd import Failure, check_arena, main, pid_of, renew, wait_for, workers_of
import resp
import server


def crowded(start):
    """After many wake-ups at once nobody is left who believes that the lane had been woken."""
    with start("--workers", "2") as s:
        end = time.monotonic() + 6

        def ask():
            c = s.connect()
            while time.monotonic() < end:
                for _ in range(4):
                    c.send([b"KEYS", b"x"])
                for _ in range(4):
                    c.read()

        askers = [threading.Thread(target=ask) for _ in range(12)]
        for t in askers:
            t.start()
        for t in askers:
            t.join()
        c = s.connect()

        def woken():
            took = []
            for _ in range(21):
                began = time.monotonic()
                c.command("KEYS", "x")
                took.append(time.monotonic() - began)
            return sorted(took)[10] < 0.05  # what is found by the tick alone takes 0.1 or 0.2 s, however idle the machine

        wait_for("a lone KEYS is answered at once: its wake-up is not lost", woken)
        check_arena(c)


def hesitant(s):
    """A client that has asked for megabytes and reads nothing: some of the reply is on its way, most is not."""
    c = resp.Connection(port=s.port)
    c.send([b"KEYS", b"*"])
    wait_for("the reply begins", lambda: not c.quiet_for(0.1))
    return c


def broken(start):
    """The lane dies in the middle of a reply: the connection ends, since an error there would be taken for a key."""
    with start("--workers", "2", "--slow-lanes", "1") as s:
        b = s.connect()
        b.command("DEBUG", "POPULATE", "300000", "p" * 80)
        c = hesitant(s)
        os.kill(pid_of(s, "skep: slow lane 0"), signal.SIGKILL)
        try:
            answer = c.read()
            raise Failure("a whole reply of %d after the lane's death" % len(answer.value))
        except resp.Closed:
            pass
        except ValueError as e:
            raise Failure("what was read is no reply: %s" % e)
        wait_for("KEYS works again", lambda: b.command("KEYS", "p*:1??").kind == "array")
        check_arena(b)


def moved(start):
    """A rolling restart waits for nobody who does not read, and such a client loses nothing."""
    with start("--workers", "2") as s:
        b = s.connect()
        b.command("DEBUG", "POPULATE", "300000", "p" * 80)
        c = hesitant(s)
        c.send([b"ECHO", b"behind it"])
        renew(s.proc.pid)  # for whom it would wait, it waits 10 s, and closes him then
        answer = c.read()
        if len(answer.value) != 300000 or len(set(m.value for m in answer.value)) != 300000:
            raise Failure("%d keys" % len(answer.value))
        if c.read().value != b"behind it":
            raise Failure("the command behind it was lost")
        _, counters = workers_of(b)
        if counters["crashes_repaired"]:
            raise Failure("%r" % counters)
        check_arena(b)


def ended(start):
    """Nor does the end wait for them: the lane's patience is 10 s, the workers' 2. A slow machine is given three tries."""
    for _ in range(3):
        with start("--workers", "2") as s:
            b = s.connect()
            b.command("DEBUG", "POPULATE", "300000", "p" * 80)
            c = hesitant(s)
            began = time.monotonic()
            status = s.stop()
            took = time.monotonic() - began
            c.close()
            if status != 0:
                raise Failure("exit %r after %.1f s" % (status, took))
            if took < 9:
                return
    raise Failure("the end takes %.1f s" % took)


def full(start):
    """An arena without room: refusals, no hanging, and everything that frees memory still works."""
    with start("--workers", "2", "--arena-size", "64mb") as s:
        c = s.connect()
        n = 0

        def fill(*sizes):
            nonlocal n
            for size in sizes:
                while c.command("SET", "k%d" % n, "v" * size).kind != "error":
                    n += 1

        def starves():
            """What a process kept for itself goes back while it is idle."""
            fill(100, 10)
            return c.command("KEYS", "none").kind == "error"

        fill(1000000, 10000, 100, 10)
        for words in (("SETRANGE", "k1", "3000000", "x"), ("APPEND", "k%d" % (n - 1), "v" * 1000000)):
            if c.command(*words).kind != "error":
                raise Failure("%s needs memory that is not there" % words[0])
        wait_for("KEYS needs memory that is not there", starves)
        if c.command("INFO").kind != "bulk" or len(c.command("GET", "k0").value) != 1000000:
            raise Failure("reading does not work")
        renew(s.proc.pid)
        steps = (("EXISTS", n, n + 1), ("DEL", 1000, 1000), ("UNLINK", 300, 0), ("TOUCH", n, n - 1000), ("DEL", n, n - 1000))
        for word, keys, wanted in steps:
            answer = c.command(word, "k0", "none", *["k%d" % k for k in range(keys)])
            if answer.kind != "int" or int(answer.value) != wanted:
                raise Failure("%s of %d keys: %r, not %d" % (word, keys, answer.value, wanted))
        if c.command("SET", "k", "v" * 1000000).kind != "status" or len(c.command("KEYS", "*").value) != 1:
            raise Failure("there should be room again")
        check_arena(c)


def flushed(start):
    """Whole databases are cut off and exchanged while others change keys in them."""
    with start("--workers", "2") as s:
        end = time.monotonic() + 8

        def change(seed):
            c = s.connect()
            while time.monotonic() < end:
                for i in range(50):
                    c.send([b"SET", b"k%d" % (i * seed % 300), b"v" * 300])
                    c.send([b"APPEND", b"k%d" % (i * seed % 300), b"v" * 3000])
                    c.send([b"RENAME", b"k%d" % (i * seed % 300), b"k%d" % i])
                    c.send([b"DEL", b"k%d" % (i + 20)])
                for _ in range(200):
                    c.read()

        def cut():
            c = s.connect()
            while time.monotonic() < end:
                for words in (("SWAPDB", "0", "1"), ("FLUSHALL",), ("FLUSHDB",)):
                    if c.command(*words).kind == "error":
                        raise Failure(words[0] + " was refused")

        threads = [threading.Thread(target=change, args=(i + 1,)) for i in range(6)]
        threads.append(threading.Thread(target=cut))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        c = s.connect()
        _, counters = workers_of(c)
        if "Check failed" in s.log_tail(200) or counters["crashes_repaired"]:
            raise Failure("a process died: " + s.log_tail(3))
        check_arena(c)


if __name__ == "__main__":
    sys.exit(main({"crowded": crowded, "broken": broken, "moved": moved, "ended": ended, "full": full, "flushed": flushed}, server.Server))
