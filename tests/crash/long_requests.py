#!/usr/bin/env python3
"""Requests of megabytes, which go to the slow lane in pieces: whole, broken off in the middle, and where there is no room."""

import os
import random
import signal
import sys
import time

from crowd import Failure, check_arena, children_of, main, pid_of, wait_for
import resp
import server

MB = 1 << 20


def noise(n, seed):
    return random.Random(seed).randbytes(n)


def expect(c, what, words, kind, value=None):
    answer = c.command(*words)
    if answer.kind != kind or (value is not None and answer.value != value):
        raise Failure("%s: %s %r" % (what, answer.kind, (answer.value or b"")[:80]))


def lane_of(s):
    return pid_of(s, "skep: slow lane 0")


def served(s):
    titles = [t.strip("\0 ") for t in children_of(s.proc.pid).values()]
    wanted = ("skep: worker 0", "skep: worker 1", "skep: slow lane 0")
    return all(t in titles for t in wanted) and not any("repair" in t for t in titles)


def whole(start):
    """What was sent is what is stored, and what stands around it in the pipeline is answered in its order."""
    with start("--workers", "2") as s:
        c = s.connect()
        a, b = noise(5 * MB, 1), noise(3 * MB + 1, 2)
        asked = [
            ([b"PING"], b"PONG"), ([b"SET", b"a", a], b"OK"), ([b"STRLEN", b"a"], b"%d" % len(a)),
            ([b"APPEND", b"a", b], b"%d" % (len(a) + len(b))), ([b"GET", b"a"], a + b), ([b"SETNX", b"a", b], b"0"),
            ([b"SET", b"a", b, b"GET"], a + b), ([b"MSET", b"x", a, b"y", b"1", b"z", b], b"OK"), ([b"GET", b"x"], a),
            ([b"GETSET", b"z", a], b), ([b"SETRANGE", b"x", b"7", b], b"%d" % len(a)), ([b"PING"], b"PONG"),
            ([b"GET", b"x"], a[:7] + b + a[7 + len(b) :]), ([b"SETEX", b"t", b"1000", a], b"OK"), ([b"GET", b"t"], a),
            ([b"SET", b"a", b, b"NX", b"XX"], b"ERR syntax error"), ([b"DEL"] + [b"no%d" % i for i in range(300000)], b"0"),
            ([b"EXISTS", b"a", b"x", b"y", b"z", b"t"], b"5"),
        ]
        c.sock.settimeout(60)
        for words, _ in asked:
            c.send(words)
        for words, wanted in asked:
            got = c.read()
            if got.value != wanted:
                raise Failure("%r: %r" % (words[:2], got.value[:80]))
        # One whole request in two writes, the second with others behind it.
        wire = resp.encode([b"SET", b"a", a])
        c.send_raw(wire[:100])
        time.sleep(0.05)
        c.send_raw(wire[100:] + b"STRLEN a\r\nDEL a x y z t\r\n")
        answers = [c.read().value for _ in range(3)]
        if answers != [b"OK", b"%d" % len(a), b"5"]:
            raise Failure("behind a long request: %r" % answers)
        check_arena(c)


def broken(start):
    """The client, the lane or the worker goes while pieces are on their way: the key has one value or the other."""
    with start("--workers", "2", "--slow-lanes", "1") as s:
        values = [noise(24 * MB, i) for i in range(2)]
        b = s.connect()
        b.sock.settimeout(60)
        expect(b, "SET", ("SET", "k", values[0]), "status")
        for i in range(12):
            c = s.connect()
            c.sock.settimeout(60)
            try:
                c.send([b"SET", b"k", values[i % 2]])
            except (OSError, resp.Closed):
                pass
            time.sleep(0.004 * (i % 4))
            if i % 3 == 1:
                os.kill(lane_of(s), signal.SIGKILL)
                answer = c.read()
                if answer.value != b"OK" and not answer.value.startswith(b"ERR the process that ran this command"):
                    raise Failure("after the lane's death: %r" % answer.value)
                if c.command("PING").value != b"PONG":
                    raise Failure("the connection is out of step")
            elif i % 3 == 2:
                worker = pid_of(s, "skep: worker %d" % (i // 3 % 2))
                os.kill(worker, signal.SIGKILL)
                try:
                    c.read()
                except resp.Closed:
                    pass
            c.close()
            wait_for("all run", lambda: served(s))
            b = s.connect()
            got = b.command("GET", "k")
            if got.value not in values:
                raise Failure("a value that nobody has set, of %d bytes" % len(got.value or b""))
        expect(b, "DEL", ("DEL", "k"), "int", b"1")
        check_arena(b)


def full(start):
    """Refused where there is no room; what frees memory works all the same, and the connection stays in step."""
    with start("--workers", "2", "--arena-size", "64mb") as s:
        c = s.connect()
        c.sock.settimeout(60)
        big = noise(30 * MB, 3)
        expect(c, "SET", ("SET", "a", big), "status")
        expect(c, "a second one", ("SET", "b", big), "error")
        expect(c, "PING", ("PING",), "status", b"PONG")
        n = 0
        for size in (1000000, 10000, 100, 10):
            while c.command("SET", "k%d" % n, "v" * size).kind != "error":
                n += 1
        expect(c, "nothing fits", ("SET", "c", big), "error")
        expect(c, "the old value", ("STRLEN", "a"), "int", b"%d" % len(big))
        expect(c, "a long DEL", ["DEL", "a"] + ["k%030000d" % i for i in range(80)] + ["k0"], "int", b"2")
        expect(c, "room again", ("SET", "a", big), "status")
        check_arena(c)


sys.exit(main({"whole": whole, "broken": broken, "full": full}, server.Server))
