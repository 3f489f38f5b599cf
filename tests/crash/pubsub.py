#!/usr/bin/env python3
"""Messages between workers: their order, and what a death or a full inbox does to subscribers."""

import os
import signal
import sys
import threading

from crowd import Failure, Watch, check_arena, main, wait_for, workers_of
import resp
import server


def spread(s, n):
    """Connections of which some are on each worker."""
    found = [s.connect() for _ in range(n)]
    for c in found:
        c.command("PING")
    return found


def texts(c, n):
    """The next n messages."""
    return [c.read().value[-1].value for _ in range(n)]


def numsub(c, channel):
    return int(c.command("PUBSUB", "NUMSUB", channel).value[1].value)


def publish(c, channel, text):
    return int(c.command("PUBLISH", channel, text).value)


def order(start):
    """Several publishers at once: each subscriber sees all messages, each publisher's in order, and all see one order."""
    each, publishers = 300, 4
    with start("--workers", "3") as s:
        subscribers = spread(s, 12)
        for i, c in enumerate(subscribers):
            c.command(*(["SUBSCRIBE", "news"] if i % 3 else ["PSUBSCRIBE", "ne?s"]))
        counts = []

        def publisher(who):
            c = s.connect()
            for i in range(0, each, 10):
                for k in range(i, i + 10):
                    c.send([b"PUBLISH", b"news", b"%d:%d" % (who, k)])
                counts.extend(int(c.read().value) for _ in range(10))

        threads = [threading.Thread(target=publisher, args=(i,)) for i in range(publishers)]
        for t in threads:
            t.start()
        seen = [texts(c, each * publishers) for c in subscribers]
        for t in threads:
            t.join()
        if set(counts) != {len(subscribers)} or len(counts) != each * publishers:
            raise Failure("PUBLISH counted %r" % set(counts))
        for i in range(publishers):
            if [t for t in seen[0] if t.startswith(b"%d:" % i)] != [b"%d:%d" % (i, k) for k in range(each)]:
                raise Failure("publisher %d's messages are out of order" % i)
        if any(other != seen[0] for other in seen):
            raise Failure("two subscribers have seen different orders")
        check_arena(s.connect())


def killed(start):
    """A worker dies: its subscribers are closed and no longer counted, the others get everything."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        subscribers = spread(s, 30)
        for c in subscribers:
            c.command("SUBSCRIBE", "c")
        victim = [w["pid"] for w in workers_of(watch)[0] if w["index"] == 0][0]
        p = s.connect()
        os.kill(victim, signal.SIGKILL)
        wait_for("it is replaced", lambda: [
            w for w in workers_of(watch)[0] if w["index"] == 0 and w["pid"] != victim and w["state"] == "running"])
        left = []
        for c in subscribers:
            try:
                c.command("PING")
                left.append(c)
            except resp.Closed:
                pass
        if not 0 < len(left) < len(subscribers):
            raise Failure("%d of %d are left" % (len(left), len(subscribers)))
        p = s.connect()
        if numsub(p, "c") != len(left):
            raise Failure("%d are counted, %d are left" % (numsub(p, "c"), len(left)))
        if publish(p, "c", "after") != len(left):
            raise Failure("a wrong count")
        if any(texts(c, 1) != [b"after"] for c in left):
            raise Failure("a message was lost")
        for c in left:
            c.close()
        wait_for("nobody is left", lambda: numsub(p, "c") == 0)
        if p.command("PUBSUB", "CHANNELS").value:
            raise Failure("a channel stays")
        check_arena(p)


def slow(start):
    """Who does not read is closed by its limit; publishers and the others do not wait for it."""
    with start("--workers", "2", "--client-output-buffer-limit", "pubsub 1mb 0 0") as s:
        subscribers = spread(s, 8)
        for c in subscribers:
            c.command("SUBSCRIBE", "c")
        p, text = s.connect(), b"x" * 200000
        lazy, quick = subscribers[:4], subscribers[4:]
        sent = 0
        while numsub(p, "c") > len(quick):
            if publish(p, "c", text) < len(quick):
                raise Failure("one that reads was closed")
            for c in quick:
                if texts(c, 1) != [text]:
                    raise Failure("a message was lost")
            sent += 1
            if sent > 2000:
                raise Failure("nobody was closed")
        check_arena(p)


def stopped(start):
    """A worker stands still: messages for it wait in the arena, and come when it goes on."""
    with start("--workers", "2") as s:
        subscribers = spread(s, 16)
        for c in subscribers:
            c.command("SUBSCRIBE", "c")
        pids = [w["pid"] for w in workers_of(Watch(s))[0]]
        os.kill(pids[0], signal.SIGSTOP)
        try:
            p = None
            for _ in range(40):
                p = s.connect()
                p.sock.settimeout(1)
                try:
                    p.command("PING", timeout=0.5)
                    break
                except resp.Timeout:
                    p = None
            if not p:
                raise Failure("the other worker takes nobody")
            for i in range(500):
                if publish(p, "c", "%d" % i) != len(subscribers):
                    raise Failure("a wrong count")
        finally:
            os.kill(pids[0], signal.SIGCONT)
        for c in subscribers:
            if texts(c, 500) != [b"%d" % i for i in range(500)]:
                raise Failure("messages were lost or doubled")
        check_arena(p)


SCENARIOS = {"order": order, "killed": killed, "slow": slow, "stopped": stopped}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
