#!/usr/bin/env python3
"""Messages between workers: their order, and what a death or a full inbox does to subscribers."""

import os
import signal
import sys
import threading
import time

from crowd import WAIT_S, Failure, Watch, all_running, check_arena, main, on_another, wait_for, workers_of
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
    with start("--workers", "2", "--worker-watchdog-ms", "60000") as s:
        subscribers = spread(s, 16)
        for c in subscribers:
            c.command("SUBSCRIBE", "c")
        watch = Watch(s)
        stands = workers_of(watch)[0][0]["pid"]
        p = on_another(s, stands, watch)
        os.kill(stands, signal.SIGSTOP)
        try:
            for i in range(500):
                if publish(p, "c", "%d" % i) != len(subscribers):
                    raise Failure("a wrong count")
        finally:
            os.kill(stands, signal.SIGCONT)
        for c in subscribers:
            if texts(c, 500) != [b"%d" % i for i in range(500)]:
                raise Failure("messages were lost or doubled")
        check_arena(p)


class Feed:
    """Publishers with serial numbers, and subscribers of every kind, each in a thread of its own; nobody may miss or double one."""

    PUBLISHERS = 3
    KINDS = (
        ("SUBSCRIBE", "feed"),
        ("PSUBSCRIBE", "f*d"),
        ("SSUBSCRIBE", "feed"),
        ("SUBSCRIBE", "other", "feed", "more"),
        ("PSUBSCRIBE", "f*", "x*"),
        ("SUBSCRIBE", "feed"),
    )

    def __init__(self, s, subscribers=12):
        self.s, self.stopping, self.errors = s, False, []
        self.subscribers = [s.connect() for _ in range(subscribers)]
        self.counts = {b"PUBLISH": set(), b"SPUBLISH": set()}
        self.sent = [[] for _ in range(self.PUBLISHERS)]
        self.heard, self.closed = [], 0
        for i, c in enumerate(self.subscribers):
            if i % 2:
                c.command("HELLO", "3")
            words = self.KINDS[i % len(self.KINDS)]
            c.send([w.encode() for w in words])
            for _ in words[1:]:
                c.read()
        shards = sum(self.KINDS[i % len(self.KINDS)][0] == "SSUBSCRIBE" for i in range(subscribers))
        self.expected = {b"PUBLISH": {subscribers - shards}, b"SPUBLISH": {shards}}
        self.threads = [threading.Thread(target=self.guard, args=(self.publish, i)) for i in range(self.PUBLISHERS)]
        self.threads += [threading.Thread(target=self.guard, args=(self.listen, c)) for c in self.subscribers]
        for t in self.threads:
            t.start()

    def guard(self, fn, arg):
        try:
            fn(arg)
        except BaseException as e:  # told to whoever ends us
            self.errors.append(repr(e))

    def publish(self, who):
        c, i = self.s.connect(), 0
        while not self.stopping:
            try:
                c = c or self.s.connect()
                for word in (b"PUBLISH", b"SPUBLISH"):
                    c.send([word, b"feed", b"%d:%d" % (who, i)])
                    self.counts[word].add(int(c.read().value))
                self.sent[who].append(i)
            except (resp.Closed, OSError):
                c = None  # whether this one went out is not known
            i += 1
            time.sleep(0.0005)
        c = c or self.s.connect()
        for word in (b"PUBLISH", b"SPUBLISH"):
            c.send([word, b"feed", b"end"])
            c.read()

    def listen(self, c):
        seen, ends = [], 0
        try:
            while ends < self.PUBLISHERS:
                m = c.read().value[-1].value
                ends += m == b"end"
                if m != b"end":
                    seen.append([int(x) for x in m.split(b":")])
            self.heard.append(seen)
        except (resp.Closed, OSError):
            self.closed += 1

    def finish(self):
        """How many subscribers were closed; the others have everything, once and in order."""
        self.stopping = True
        for t in self.threads:
            t.join(WAIT_S)
        if self.errors:
            raise Failure("; ".join(self.errors))
        for seen in self.heard:
            for who in range(self.PUBLISHERS):
                of = [i for w, i in seen if w == who]
                if sorted(set(of)) != of:
                    raise Failure("a subscriber has a message twice, or not in order")
                missed = set(self.sent[who]) - set(of)
                if missed:
                    raise Failure("a subscriber has missed %d messages of %d" % (len(missed), len(self.sent[who])))
        return self.closed


def roll(s, watch):
    before = [w["pid"] for w in workers_of(watch)[0]]
    os.kill(s.proc.pid, signal.SIGHUP)
    all_running(watch, 2, *before)


def gone(watch):
    wait_for("nobody is left", lambda: not watch.command("PUBSUB", "CHANNELS").value)
    wait_for("no pattern is left", lambda: watch.command("PUBSUB", "NUMPAT").value == b"0")
    check_arena(watch)


def moved(start):
    """Workers are replaced under load: subscribers stay, and miss or double nothing."""
    with start("--workers", "2") as s:
        watch = s.connect()
        feed = Feed(s)
        silent = s.connect()
        silent.command("SUBSCRIBE", "silent")
        for _ in range(4):
            time.sleep(0.3)
            roll(s, watch)
        time.sleep(0.3)
        if feed.finish():
            raise Failure("%d subscribers were closed" % feed.closed)
        if not all(counts & feed.expected[word] for word, counts in feed.counts.items()):
            raise Failure("PUBLISH counted %r" % feed.counts)
        if numsub(watch, "silent") != 1 or publish(watch, "silent", "x") != 1 or texts(silent, 1) != [b"x"]:
            raise Failure("the silent one is forgotten")
        for c in feed.subscribers + [silent]:
            c.close()
        gone(watch)
        print("%d messages" % sum(map(len, feed.sent)))


def moved_slowly(start):
    """A message that was noted long before it is sent, in a long transaction, reaches who has moved meanwhile."""
    with start("--workers", "2") as s:
        watch, p = s.connect(), s.connect()
        subscribers = spread(s, 6)
        for c in subscribers:
            c.command("SUBSCRIBE", "c")
        for i in range(20):
            p.command("RPUSH", "long", *("%d" % (k * 7919 % 100003) for k in range(i * 5000, i * 5000 + 5000)))
        for i in range(3):
            for words in [("MULTI",), ("PUBLISH", "c", "%d" % i)] + [("SORT", "long", "ALPHA", "STORE", "to")] * 8:
                p.command(*words)
            p.send([b"EXEC"])
            time.sleep(0.05)
            roll(s, watch)
            answers = p.read()
            if answers.kind != "array" or answers.value[0].kind != "int":
                raise Failure("PUBLISH and more: %r" % answers.value)
            publish(watch, "c", "then")
            for c in subscribers:
                if texts(c, 2) != [b"%d" % i, b"then"]:
                    raise Failure("a message was lost")
            # Not before: a transaction that is tried again while subscribers move counts those who are on their way twice, or not.
            wait_for("each counts once", lambda: numsub(watch, "c") == publish(watch, "c", "count") == len(subscribers))
            publish(watch, "c", "end")
            for c in subscribers:
                while texts(c, 1) != [b"end"]:
                    pass
        check_arena(watch)


def moved_killed(start):
    """A worker dies while workers are replaced: who is not closed has missed nothing."""
    with start("--workers", "2") as s:
        watch = Watch(s)
        closed = []
        for i in range(3):
            feed = Feed(s)
            time.sleep(0.2)
            os.kill(s.proc.pid, signal.SIGHUP)
            time.sleep(0.004 * i)
            try:
                os.kill(workers_of(watch)[0][-1]["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
            all_running(watch, 2)
            time.sleep(0.2)
            closed.append(feed.finish())
            for c in feed.subscribers:
                c.close()
        gone(watch)
        print("%r closed" % closed)


SCENARIOS = {"order": order, "killed": killed, "slow": slow, "stopped": stopped, "moved": moved, "moved_slowly": moved_slowly, "moved_killed": moved_killed}

if __name__ == "__main__":
    sys.exit(main(SCENARIOS, server.Server))
