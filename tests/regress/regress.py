#!/usr/bin/env python3
"""Runs command scripts against a private server and compares what it answers with an expectation.

    regress.py --server 'build/skep --workers 2' [NAME ...]      all scripts, or those named
    regress.py --server redis-server --generate NAME             writes expected/NAME.out

A script is sql/NAME.cmd: one command a line, quoted as in redis-cli. Blank lines and # comments are echoed.
`%{a*1000}` inside an argument is a thousand bytes, `%{name}` the value that @save kept.

Head, before the first command:
    @config --directive value   a further argument of the server (quoted as commands are)
    @redis 7.2                  redis-server 7.0 cannot run this: the expectation is derived by hand

Connections:
    @conn NAME        go on with this connection, opened on first use ("main" at the start)
    @conn NAME PATH   the same over a unix socket; PATH is relative to the server's folder
    @mode PATH        show a file's kind and permissions
    @close            close the present connection
    @expect-close     the server must close the present connection (what still arrives is shown)
    @resp 2|3         HELLO with this version, the reply is not shown

For the next command only:
    @sort             order means nothing: sort the members of the reply
    @type             show the reply's type alone      @ignore     show nothing of it
    @save NAME        keep the reply (its text) under a name, show its type
    @match REGEX      show whether the text of the reply matches, and the reply if it does not
    @fields           show the names of the NAME=VALUE (or NAME:VALUE) words in the text of the reply
    @pick PATH        show a part: "0.2" the third member of the first; "0.0-6,8" several of the last level
    @about N          show "about N" for an integer at most 20% (or 5) below N: clocks go on while a script runs
    @until TEXT       repeat for up to 60 s until the reply, as shown, is TEXT; without TEXT: until it is as @match says

Otherwise:
    @raw "BYTES"      send bytes, show the raw answer up to a pause or the close
    @raw-until-close "BYTES"
    @raw-silent "BYTES"      nothing may arrive for 300 ms: the request is not complete
    @send COMMAND     send without waiting             @recv       show one reply
    @blocked          go on when the present connection's client waits for a key
    @nothing MS       nothing may arrive for so long
    @pipeline begin / @pipeline end      send all commands between at once, then show the replies
    @scanall COMMAND  run SCAN-like COMMAND (with 0 as its cursor) to its end; show all members, sorted, once each
    @sleep MS
    @sub /REGEX/TEXT/ from here on, replace in whatever is shown
"""

import os
import re
import stat
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import expected  # noqa: E402
import resp  # noqa: E402
import server  # noqa: E402
from expected import ScriptError  # noqa: E402

RAW_PAUSE_S = 0.6  # so long a pause ends an answer to @raw
MODIFIERS = ("sort", "type", "ignore", "save", "match", "fields", "pick", "about", "until")


def text_of(r):
    """The bytes of a reply that has some; its shown form otherwise."""
    if r.kind == "verbatim":
        return r.value[4:].decode("latin-1")
    if isinstance(r.value, bytes):
        return r.value.decode("latin-1")
    return "\n".join(resp.show(r))


def pick(r, path):
    parts = path.split(".")
    for depth, part in enumerate(parts):
        values = r.value
        if not isinstance(values, list):
            return r
        if r.kind == "map":
            values = [x for pair in values for x in pair]
        if re.fullmatch(r"\d+", part):
            if int(part) >= len(values):
                return r
            r = values[int(part)]
            continue
        if depth != len(parts) - 1:
            raise ScriptError("@pick: a range may stand at the end only")
        chosen = []
        for span in part.split(","):
            first, _, last = span.partition("-")
            chosen += values[int(first) : int(last or first) + 1]
        return resp.Reply("array", chosen)
    return r


def matches(r, regex):
    return re.search(regex, text_of(r), re.S | re.M)


class Script:
    outcome = ""

    def __init__(self, path):
        self.path = path
        self.lines = expected.read_text(path).splitlines()
        self.config, self.by_hand = script_head(self.lines)
        self.srv = None
        self.out = []
        self.conns = {}
        self.name = "main"
        self.vars = {}
        self.mods = {}
        self.subs = []
        self.pipe = None

    def emit(self, text):
        for rx, to in self.subs:
            text = rx.sub(to, text)
        self.out.append(text)

    def conn(self, path=""):
        if self.name not in self.conns:
            self.conns[self.name] = self.srv.connect(path)
        return self.conns[self.name]

    def drop(self):
        c = self.conns.pop(self.name, None)
        if c:
            c.close()

    def expand(self, arg):
        def value(m):
            name = m.group(1).decode("latin-1")
            rep = re.fullmatch(r"(.+)\*(\d+)", name, re.S)
            if rep:
                return rep.group(1).encode("latin-1") * int(rep.group(2))
            if name not in self.vars:
                raise ScriptError("no saved reply %r" % name)
            return self.vars[name]

        return re.sub(rb"%\{(.+?)\}", value, arg, flags=re.S)

    def args(self, line):
        return [self.expand(a) for a in resp.split_args(line)]

    def show_reply(self, r):
        m, self.mods = self.mods, {}
        if "pick" in m:
            r = pick(r, m["pick"])
        if "sort" in m:
            r = resp.sort_reply(r)
        if "save" in m:
            self.vars[m["save"]] = text_of(r).encode("latin-1")
            return self.emit("(%s, saved as %s)" % (r.kind, m["save"]))
        if "ignore" in m:
            return self.emit("(ignored)")
        if "type" in m:
            return self.emit("(type %s)" % r.kind)
        if "fields" in m and r.kind != "error":
            names = re.findall(r"(?:^|[\s,])([\w.-]+)[=:]", text_of(r))
            return self.emit("(fields) " + " ".join(names))
        if "about" in m and r.kind == "int":
            n = int(m["about"])
            if n - max(5, n // 5) <= int(r.value) <= n:
                return self.emit("(about %d)" % n)
        if "match" in m:
            if matches(r, m["match"]):
                return self.emit("(matches)")
            self.emit("(does not match %s)" % m["match"])
        for line in resp.show(r):
            self.emit(line)

    def read_show(self, pushes_apart=True):
        """Shows the next reply; pushes that come before it are shown as what they are."""
        try:
            while True:
                r = self.conn().read()
                if r.kind != "push" or not pushes_apart:
                    return self.show_reply(r)
                for line in resp.show(r):
                    self.emit("(push) " + line)
        except resp.Closed:
            self.mods = {}
            self.emit("(closed)")
            self.drop()
        except resp.Timeout:
            self.mods = {}
            self.emit("(no reply)")
            self.drop()

    def run_command(self, line):
        if self.pipe is not None:
            self.pipe.append((line, self.mods))
            self.mods = {}
            return
        argv = self.args(line)
        if "until" in self.mods:
            return self.run_until(argv, self.mods.pop("until"))
        try:
            self.conn().send(argv)
        except resp.Closed:
            pass  # reading says so
        self.read_show()

    def run_until(self, argv, wanted):
        end = time.monotonic() + server.WAIT_S
        while True:
            r = self.conn().command(*argv)
            if "pick" in self.mods:
                r = pick(r, self.mods["pick"])
            found = " ".join(resp.show(r)) == wanted if wanted else matches(r, self.mods["match"])
            if found or time.monotonic() > end:
                self.mods.pop("pick", None)
                return self.show_reply(r)
            time.sleep(0.02)

    def run_pipeline(self):
        lines, self.pipe = self.pipe, None
        try:
            self.conn().send_raw(b"".join(resp.encode(self.args(x)) for x, _ in lines))
        except resp.Closed:
            pass
        for _, mods in lines:
            self.mods = mods
            self.read_show()

    def raw(self, arg, until_close):
        data = b"".join(self.args(arg))
        try:
            self.conn().send_raw(data)
        except resp.Closed:
            pass
        got, closed = self.conn().read_rest(idle_s=resp.READ_TIMEOUT_S if until_close else RAW_PAUSE_S)
        lines = got.split(b"\r\n")
        if not lines[-1]:
            lines.pop()
        for line in lines:
            self.emit("| " + resp.show_bytes(line)[1:-1])
        if closed:
            self.emit("(closed)")
            self.drop()
        elif until_close:
            self.emit("(still open)")
            self.drop()
        elif not got:
            self.emit("(no reply)")

    def scanall(self, line):
        argv = self.args(line)
        at = argv.index(b"0")
        seen = set()
        for _ in range(100000):
            r = self.conn().command(*argv)
            if r.kind != "array" or len(r.value) != 2:
                return self.show_reply(r)
            seen.update(resp.show_bytes(x.value) for x in r.value[1].value)
            argv[at] = r.value[0].value
            if argv[at] == b"0":
                break
        else:
            self.emit("(the cursor never came back to 0)")
        for x in sorted(seen):
            self.emit(x)
        self.emit("(%d members)" % len(seen))

    def directive(self, line):
        word, _, arg = line[1:].partition(" ")
        arg = arg.strip()
        if word in MODIFIERS:
            self.mods[word] = arg
        elif word == "conn":
            self.name, _, path = arg.partition(" ")
            self.conn(path)
        elif word == "mode":
            self.emit(stat.filemode(os.stat(os.path.join(self.srv.dir, arg)).st_mode))
        elif word == "close":
            self.drop()
        elif word == "expect-close":
            got, closed = self.conn().read_rest(idle_s=resp.READ_TIMEOUT_S)
            if got:
                self.emit("| " + resp.show_bytes(got)[1:-1])
            self.emit("(closed)" if closed else "(still open)")
            self.drop()
        elif word == "resp":
            self.conn().command("HELLO", arg)
        elif word in ("raw", "raw-until-close"):
            self.raw(arg, word == "raw-until-close")
        elif word == "raw-silent":
            self.conn().send_raw(b"".join(self.args(arg)))
            self.emit("(nothing)" if self.conn().quiet_for(0.3) else "(something arrived)")
        elif word == "send":
            self.conn().send(self.args(arg))
        elif word == "recv":
            self.read_show(pushes_apart=False)
        elif word == "blocked":
            self.emit("(blocked)" if self.srv.is_blocked(self.conn()) else "(something arrived)")
        elif word == "nothing":
            self.emit("(nothing)" if self.conn().quiet_for(int(arg) / 1000) else "(something arrived)")
        elif word == "pipeline":
            if arg == "begin":
                self.pipe = []
            else:
                self.run_pipeline()
        elif word == "scanall":
            self.scanall(arg)
        elif word == "sleep":
            time.sleep(int(arg) / 1000)
        elif word == "sub":
            sep = arg[0]
            _, rx, to, _ = arg.split(sep)
            self.subs.append((re.compile(rx), to))
        elif word not in ("config", "redis"):
            raise ScriptError("unknown directive @" + word)

    def run(self, srv):
        self.srv = srv
        try:
            for number, line in enumerate(self.lines, 1):
                prompt = "" if self.name == "main" else "[%s] " % self.name
                stripped = line.strip()
                if not stripped or stripped.startswith("#"):
                    self.out.append(stripped)
                    continue
                self.out.append(prompt + "> " + stripped if not stripped.startswith("@") else prompt + stripped)
                try:
                    if stripped.startswith("@"):
                        self.directive(stripped)
                    else:
                        self.run_command(stripped)
                except resp.Closed:
                    self.emit("(closed)")
                    self.drop()
                except resp.Timeout:
                    self.emit("(no reply)")
                    self.drop()
                except (ScriptError, ValueError) as e:
                    raise ScriptError("%s:%d: %s" % (self.path, number, e)) from None
        finally:
            for c in self.conns.values():
                c.close()
        return "\n".join(self.out) + "\n"


def script_head(lines):
    config, by_hand = [], False
    for line in lines:
        if line.startswith("@config "):
            config += [a.decode("utf-8", "surrogateescape") for a in resp.split_args(line[8:])]
        elif line.startswith("@redis "):
            by_hand = True
    return config, by_hand


if __name__ == "__main__":
    expected.main(__doc__, HERE, "sql", ".cmd", Script)
