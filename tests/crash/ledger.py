"""A client that keeps a ledger of everything it did: after any outage what the server has must be a state that this
client can have left, none older than what was acknowledged, and none that was there by halves.

A state is {key: (value, time of expiry in ms or 0)}. Each operation maps the state before to the one after, so the history
is a chain, and what is found must be one of its links."""

import random
import threading
import time

from crowd import Failure
import resp

FAR_MS = 4102444800000
LIMIT_S = 40  # for one answer; only a server that hangs takes so long
WHOLE = {"h": ("HGETALL",), "l": ("LRANGE", "0", "-1"), "t": ("SMEMBERS",), "z": ("ZRANGE", "0", "-1", "WITHSCORES")}
NEEDS = {"h": "HINCRBY", "l": "RPUSH", "t": "SADD", "z": "ZADD", "x": "EXEC"}


class Broken(Exception):
    """The process that ran a command died: the connection is of no use for the ledger any more."""


def text(r, n, seq):
    """Says at both ends what it is, so that a torn one shows."""
    mark = b"<%d>" % seq
    return mark + bytes([97 + seq % 26]) * n + mark


class Book:
    """The keys of one client, and what can be done with them. Every operation is ([argv...], state after)."""

    def __init__(self, name, seed, known):
        self.r = random.Random(seed)
        self.p = name + ":"
        self.seq = 0
        self.kinds = [k for k, command in NEEDS.items() if command in known]
        self.names = ["s%d" % i for i in range(5)] + ["e0", "e1", "n", "m0", "m1", "m2", "r0", "r1", "b"]
        self.names += [k for k in self.kinds if k in WHOLE]
        self.ops = [self.set, self.set, self.append, self.setrange, self.delete, self.expire, self.mset, self.mset]
        self.ops += [self.rename, self.soon, self.count, self.count, self.count, self.take]
        self.ops += [getattr(self, "change_" + k) for k in self.kinds if k != "x"]

    def key(self, name):
        return self.p + name

    def string(self):
        return "s%d" % self.r.randrange(5)

    def next(self, state):
        """([argv...], the state after); a few at a time within MULTI where that is known."""
        if "x" in self.kinds and self.r.random() < 0.1:
            all_of = [["MULTI"]]
            for _ in range(self.r.randrange(1, 5)):
                argvs, state = self.one(state)
                all_of += argvs
            return all_of + [["EXEC"]], state
        return self.one(state)

    def one(self, state):
        self.seq += 1
        state = dict(state)
        return [self.r.choice(self.ops)(state)], state

    # ---- strings ----

    def set(self, s):
        k, v = self.string(), text(self.r, self.r.choice((0, 1, 10, 40, 300, 5000, 20000)), self.seq)
        if self.r.random() < 0.2:
            s[k] = (v, FAR_MS + self.seq)
            return ["SET", self.key(k), v, "PXAT", str(FAR_MS + self.seq)]
        if self.r.random() < 0.2:
            s[k] = (v, s.get(k, (0, 0))[1])
            return ["SET", self.key(k), v, "KEEPTTL"]
        s[k] = (v, 0)
        return ["SET", self.key(k), v]

    def append(self, s):
        k, more = self.string(), text(self.r, self.r.randrange(30), self.seq)
        was, at = s.get(k, (b"", 0))
        if len(was) > 60000:
            s[k] = (more, 0)
            return ["SET", self.key(k), more]
        s[k] = (was + more, at)
        return ["APPEND", self.key(k), more]

    def setrange(self, s):
        k, more = self.string(), b"[%d]" % self.seq
        was, at = s.get(k, (b"", 0))
        place = self.r.randrange(len(was) + 1)
        s[k] = (was[:place] + more + was[place + len(more) :], at)
        return ["SETRANGE", self.key(k), str(place), more]

    def delete(self, s):
        gone = {self.string() for _ in range(self.r.randrange(1, 4))}
        for k in gone:
            s.pop(k, None)
        return [self.r.choice(("DEL", "UNLINK"))] + [self.key(k) for k in sorted(gone)]

    def take(self, s):
        k = self.string()
        s.pop(k, None)
        return ["GETDEL", self.key(k)]

    def expire(self, s):
        k, at = self.string(), FAR_MS + self.seq
        if self.r.random() < 0.3:
            if k in s:
                s[k] = (s[k][0], 0)
            return ["PERSIST", self.key(k)]
        if k in s:
            s[k] = (s[k][0], at)
        return ["PEXPIREAT", self.key(k), str(at)]

    def soon(self, s):
        """Written as a whole each time, since nobody knows whether it is still there."""
        k, at = "e%d" % self.r.randrange(2), int(time.time() * 1000) + self.r.choice((1, 20, 300, 2000))
        v = text(self.r, 20, self.seq)
        s[k] = (v, at)
        return ["SET", self.key(k), v, "PXAT", str(at)]

    def mset(self, s):
        v = text(self.r, self.r.choice((1, 3000)), self.seq)
        argv = ["MSET"]
        for k in ("m0", "m1", "m2"):
            s[k] = (v, 0)
            argv += [self.key(k), v]
        return argv

    def rename(self, s):
        old, new = ("r0", "r1") if "r0" in s else ("r1", "r0")
        if old not in s:
            s["r0"] = (text(self.r, 4000, self.seq), self.r.choice((0, FAR_MS)))
            return ["SET", self.key("r0"), s["r0"][0]] + (["PXAT", str(FAR_MS)] if s["r0"][1] else [])
        s[new] = s.pop(old)
        return ["RENAME", self.key(old), self.key(new)]

    def count(self, s):
        s["n"] = (b"%d" % (int(s.get("n", (b"0", 0))[0]) + 1), 0)
        return ["INCR", self.key("n")]

    def big(self, s):
        """Goes to the slow lane."""
        self.seq += 1
        s["b"] = (text(self.r, self.r.choice((300000, 1500000)), self.seq), 0)
        return ["SET", self.key("b"), s["b"][0]]

    # ---- collections: values are kept as what the whole of them reads like ----

    def change_h(self, s):
        fields = dict(s.get("h", ((), 0))[0])
        f = b"f%d" % self.r.randrange(40)
        kind = self.r.randrange(3)
        if kind == 0:
            fields[f] = b"%d" % (int(fields.get(f, b"0")) + 3)
            argv = ["HINCRBY", self.key("h"), f, "3"]
        elif kind == 1:
            f = b"g%d" % self.r.randrange(200)
            fields[f] = text(self.r, 20, self.seq)
            argv = ["HSET", self.key("h"), f, fields[f]]
        else:
            fields.pop(f, None)
            argv = ["HDEL", self.key("h"), f]
        return self.keep(s, "h", tuple(sorted(fields.items())), argv)

    def change_l(self, s):
        items = list(s.get("l", ((), 0))[0])
        v = b"%d" % self.seq
        kind = self.r.randrange(5) if len(items) < 300 else 2
        if kind == 0:
            items.insert(0, v)
            argv = ["LPUSH", self.key("l"), v]
        elif kind == 2:
            items = items[1:]
            argv = ["LPOP", self.key("l")]
        elif kind == 3 and items:
            items[-1] = v
            argv = ["LSET", self.key("l"), "-1", v]
        else:
            items.append(v)
            argv = ["RPUSH", self.key("l"), v]
        return self.keep(s, "l", tuple(items), argv)

    def change_t(self, s):
        members = set(s.get("t", ((), 0))[0])
        m = self.r.choice((b"%d", b"m%d")) % self.r.randrange(700)
        if self.r.random() < 0.6:
            members.add(m)
            argv = ["SADD", self.key("t"), m]
        else:
            members.discard(m)
            argv = ["SREM", self.key("t"), m]
        return self.keep(s, "t", tuple(sorted(members)), argv)

    def change_z(self, s):
        scores = dict(s.get("z", ((), 0))[0])
        m = b"m%d" % self.r.randrange(200)
        kind = self.r.randrange(3)
        if kind == 0:
            scores[m] = b"%d" % self.seq
            argv = ["ZADD", self.key("z"), scores[m], m]
        elif kind == 1:
            scores[m] = b"%d" % (int(scores.get(m, b"0")) + 5)
            argv = ["ZINCRBY", self.key("z"), "5", m]
        else:
            scores.pop(m, None)
            argv = ["ZREM", self.key("z"), m]
        return self.keep(s, "z", tuple(sorted(scores.items())), argv)

    def keep(self, s, name, whole, argv):
        if whole:
            s[name] = (whole, 0)
        else:
            s.pop(name, None)
        return argv

    # ---- what the server has ----

    def look(self, c):
        """{name: (value, expiry)} of what is there, and the moments between which it was looked at."""
        before = ask(c, [["TIME"]])  # alone: all that is asked at once may be judged by one look at the clock
        argvs = []
        for name in self.names:
            read = WHOLE.get(name[0], ("GET",))
            argvs += [[read[0], self.key(name), *read[1:]], ["PEXPIRETIME", self.key(name)]]
        answers = before + ask(c, argvs + [["TIME"]])
        seen = {}
        for i, name in enumerate(self.names):
            value, at = answers[1 + 2 * i], int(answers[2 + 2 * i].value)
            whole = self.whole_of(name, value)
            if whole:
                seen[name] = (whole, at if at > 0 else 0)
        first, last = (int(t.value[0].value) * 1000 + int(t.value[1].value) // 1000 for t in (answers[0], answers[-1]))
        return seen, first, last

    def whole_of(self, name, reply):
        if name[0] not in WHOLE:
            return reply.value
        items = [v.value for v in reply.value]
        if name[0] in "hz":
            return tuple(sorted(zip(items[::2], items[1::2])))
        return tuple(sorted(items)) if name[0] == "t" else tuple(items)


def differences(names, state, seen, first, last):
    """The names at which what was seen is not this state. An expiry that fell between may have been seen or not."""
    wrong = []
    for name in names:
        want, got = state.get(name), seen.get(name)
        if want and want[1] and want[1] <= last:
            if got is not None and (got != want or want[1] < first):
                wrong.append(name)
        elif want != got:
            wrong.append(name)
    return wrong


def short(entry):
    if entry is None:
        return "nothing"
    value = entry[0] if isinstance(entry[0], bytes) else repr(entry[0]).encode()
    shown = value if len(value) < 60 else value[:25] + b"..." + value[-25:]
    return "%r (%d bytes, expiry %d)" % (shown, len(value), entry[1])


def ask(c, argvs):
    """All at once. The answers; an error is one that should not be."""
    c.send_raw(b"".join(resp.encode([a if isinstance(a, bytes) else a.encode() for a in argv]) for argv in argvs))
    answers = []
    for argv in argvs:
        answer = c.read(LIMIT_S)
        if answer.kind == "error":
            if answer.value.startswith((b"LOADING", b"ERR the process that ran")):
                raise Broken(answer.value.decode())
            raise Failure("%r: %r" % ([str(a)[:40] for a in argv], answer.value))
        answers.append(answer)
    return answers


class Keeper(threading.Thread):
    """Works on its keys until it is stopped. history[i] is the state after base + i operations; floor, where it is set,
    is the oldest that may be found after the server's restart (else: what was acknowledged)."""

    def __init__(self, world, index, seed, known):
        super().__init__(daemon=True)
        self.world, self.index = world, index
        self.book = Book("k%d" % index, "%s/%d" % (seed, index), known)
        self.lock = threading.Lock()
        self.history, self.base, self.acked, self.sent, self.floor = [{}], 0, 0, 0, None
        self.life = 0  # which start of the server the ledger was compared with last
        self.stopping, self.error = False, None

    # ---- the history ----

    def pin(self):
        with self.lock:
            if self.floor is None:
                self.floor = self.acked
            return self.acked

    def unpin(self, floor=None):
        with self.lock:
            self.floor = floor
            self.trim()

    def trim(self):
        low = self.acked if self.floor is None else min(self.floor, self.acked)
        if low > self.base:
            del self.history[: low - self.base]
            self.base = low

    def note(self, state):
        self.history.append(state)
        self.sent += 1

    def is_at(self, i):
        """The server stands at this state: what came later in the history has not happened."""
        with self.lock:
            del self.history[i - self.base + 1 :]
            self.acked = self.sent = i
            self.trim()

    # ---- comparing ----

    def compare(self, c, life):
        seen, first, last = self.book.look(c)
        strict = life == self.life or self.floor is None
        low = self.acked if strict else min(self.floor, self.acked)
        best = None
        for i in range(self.sent, low - 1, -1):
            wrong = differences(self.book.names, self.history[i - self.base], seen, first, last)
            if not wrong:
                break
            if best is None or len(wrong) < len(best[1]):
                best = (i, wrong)
        else:
            self.tell(best, seen, low)
        self.world.counter_is(self.index, int(seen.get("n", (b"0", 0))[0]), life, strict)
        self.is_at(i)
        self.life = life

    def tell(self, best, seen, low):
        i, wrong = best
        state = self.history[i - self.base]
        lines = ["%s: wanted %s, found %s" % (self.book.key(n), short(state.get(n)), short(seen.get(n))) for n in wrong]
        raise Failure("client %d: no state between %d (acknowledged: %d) and %d fits; nearest is %d:\n  %s"
                      % (self.index, low, self.acked, self.sent, i, "\n  ".join(lines)))  # fmt: skip

    # ---- working ----

    def batch(self, c):
        argvs, ends = [], []
        state = self.history[-1]
        r = self.book.r
        if r.random() < 0.01:
            state = dict(state)
            argvs, ends = [self.book.big(state)], [state]
        else:
            for _ in range(r.choice((1, 1, 4, 16))):
                more, state = self.book.next(state)
                argvs += more
                ends += [None] * (len(more) - 1) + [state]
        with self.lock:
            for end in ends:
                if end is not None:
                    self.note(end)
        self.answers(c, argvs, ends)

    def answers(self, c, argvs, ends):
        c.send_raw(b"".join(resp.encode([a if isinstance(a, bytes) else a.encode() for a in argv]) for argv in argvs))
        for argv, end in zip(argvs, ends):
            answer = c.read(LIMIT_S)
            if answer.kind == "error":
                if answer.value.startswith(b"ERR the process that ran this command has ended"):
                    raise Broken()
                raise Failure("client %d: %r: %r" % (self.index, [str(a)[:40] for a in argv], answer.value))
            if end is not None:
                with self.lock:
                    self.acked += 1
                    self.trim()
                if argv[0] == "INCR" and answer.value != end["n"][0]:
                    raise Failure("client %d: INCR gave %r instead of %r" % (self.index, answer.value, end["n"][0]))

    def session(self, life, port):
        c = resp.Connection(port=port)
        try:
            self.compare(c, life)
            while not self.stopping:
                self.batch(c)
        finally:
            c.close()

    def run(self):
        try:
            while not self.stopping:
                where = self.world.current
                try:
                    if where:
                        self.session(*where)
                except resp.Timeout:
                    raise Failure("client %d: no answer for %d s" % (self.index, LIMIT_S))
                except (OSError, resp.Closed, Broken):
                    pass
                time.sleep(0.01)
        except Exception as e:  # any error of the thread is the test's
            self.error = e


class Reader(threading.Thread):
    """Reads everybody's counter: what it was told must not be taken back."""

    def __init__(self, world, n):
        super().__init__(daemon=True)
        self.world, self.n, self.stopping, self.error = world, n, False, None
        self.seen = [(0, 0)] * n  # (which start of the server, value)

    def session(self, life, port):
        c = resp.Connection(port=port)
        try:
            while not self.stopping:
                for i, answer in enumerate(ask(c, [["GET", "k%d:n" % i] for i in range(self.n)])):
                    value = int(answer.value or 0)
                    if self.seen[i][0] == life and value < self.seen[i][1]:
                        raise Failure("counter %d fell from %d to %d" % (i, self.seen[i][1], value))
                    self.seen[i] = (life, value)
        finally:
            c.close()

    run = Keeper.run
    index = -1
