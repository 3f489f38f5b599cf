"""A small RESP2/RESP3 client for the test runners: it keeps the type of every reply, which client libraries hide."""

import re
import select
import socket
import time
import zlib

READ_TIMEOUT_S = 60.0  # a server under sanitizers on a busy machine is slow, not hung


class Closed(Exception):
    """The server closed the connection."""


class Timeout(Exception):
    """No complete reply within the time allowed."""


class Reply:
    """kind is one of status error int bulk null nullbulk nullarray array map set push double bool big verbatim attr."""

    __slots__ = ("kind", "value")

    def __init__(self, kind, value=None):
        self.kind = kind
        self.value = value


SCALARS = {b"+": "status", b"-": "error", b":": "int", b",": "double", b"#": "bool", b"(": "big", b"_": "null"}
BLOBS = {b"$": "bulk", b"=": "verbatim", b"!": "bloberror"}
LISTS = {b"*": "array", b"~": "set", b">": "push"}
PAIRS = {b"%": "map", b"|": "attr"}


def encode(argv):
    out = [b"*%d\r\n" % len(argv)]
    for arg in argv:
        out.append(b"$%d\r\n" % len(arg))
        out.append(arg)
        out.append(b"\r\n")
    return b"".join(out)


class Connection:
    def __init__(self, host="127.0.0.1", port=6379, path=None):
        if path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(READ_TIMEOUT_S)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), READ_TIMEOUT_S)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray()  # grows in its place, also to megabytes
        self.pos = 0

    def close(self):
        self.sock.close()

    def send_raw(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def send(self, argv):
        self.send_raw(encode(argv))

    def command(self, *argv, timeout=READ_TIMEOUT_S):
        self.send([a if isinstance(a, bytes) else str(a).encode() for a in argv])
        return self.read(timeout)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout()
        if not select.select([self.sock], [], [], left)[0]:
            raise Timeout()
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed()
        if self.pos:
            del self.buf[: self.pos]
            self.pos = 0
        self.buf += data

    def _line(self, deadline):
        while True:
            end = self.buf.find(b"\r\n", self.pos)
            if end >= 0:
                line = bytes(self.buf[self.pos : end])
                self.pos = end + 2
                return line
            self._fill(deadline)

    def _bytes(self, n, deadline):
        while len(self.buf) - self.pos < n + 2:
            self._fill(deadline)
        data = bytes(self.buf[self.pos : self.pos + n])
        if self.buf[self.pos + n : self.pos + n + 2] != b"\r\n":
            raise ValueError("a bulk string does not end in CRLF")
        self.pos += n + 2
        return data

    def read(self, timeout=READ_TIMEOUT_S):
        return self._read(time.monotonic() + timeout)

    def _read(self, deadline):
        line = self._line(deadline)
        mark, rest = line[:1], line[1:]
        if mark in SCALARS:
            return Reply(SCALARS[mark], rest)
        if mark in BLOBS:
            n = int(rest)
            return Reply("nullbulk") if n < 0 else Reply(BLOBS[mark], self._bytes(n, deadline))
        if mark in LISTS:
            n = int(rest)
            if n < 0:
                return Reply("nullarray")
            return Reply(LISTS[mark], [self._read(deadline) for _ in range(n)])
        if mark in PAIRS:
            pairs = [(self._read(deadline), self._read(deadline)) for _ in range(int(rest))]
            if mark == b"|":  # an attribute stands before the reply that it describes
                return Reply("attr", (pairs, self._read(deadline)))
            return Reply("map", pairs)
        raise ValueError("not RESP: %r" % line[:80])

    def quiet_for(self, seconds):
        """True when nothing arrives for so long."""
        if self.pos < len(self.buf):
            return False
        return not select.select([self.sock], [], [], seconds)[0]

    def read_rest(self, idle_s=0.3, limit_s=READ_TIMEOUT_S):
        """Everything that arrives until the peer closes or is idle: (bytes, closed)."""
        out = bytes(self.buf[self.pos :])
        self.buf, self.pos = bytearray(), 0
        end = time.monotonic() + limit_s
        wait = limit_s if not out else idle_s
        while time.monotonic() < end:
            if not select.select([self.sock], [], [], wait)[0]:
                return out, False
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                return out, True
            out += data
            wait = idle_s
        return out, False


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def split_args(line):
    """Splits a line as redis-cli does: double quotes with escapes, single quotes, blanks."""
    text = line.encode("utf-8", "surrogateescape").decode("latin-1")
    args, i, n = [], 0, len(text)
    while True:
        while i < n and text[i].isspace():
            i += 1
        if i >= n:
            return [a.encode("latin-1") for a in args]
        cur, quote = [], ""
        while i < n:
            c = text[i]
            if quote == '"':
                if c == "\\" and re.match(r"x[0-9a-fA-F]{2}", text[i + 1 : i + 4]):
                    cur.append(chr(int(text[i + 2 : i + 4], 16)))
                    i += 3
                elif c == "\\" and i + 1 < n:
                    i += 1
                    cur.append(ESCAPES.get(text[i], text[i]))
                elif c == '"':
                    quote = ""
                else:
                    cur.append(c)
            elif quote == "'":
                if text[i : i + 2] == "\\'":
                    i += 1
                    cur.append("'")
                elif c == "'":
                    quote = ""
                else:
                    cur.append(c)
            elif c.isspace():
                break
            elif c in "\"'":
                quote = c
            else:
                cur.append(c)
            i += 1
        if quote:
            raise ValueError("unbalanced quotes: " + line)
        args.append("".join(cur))


def quote(data):
    out = []
    for b in data:
        c = chr(b)
        if c in '"\\':
            out.append("\\" + c)
        elif c in "\n\r\t\a\b":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b"}[c])
        elif 32 <= b < 127:
            out.append(c)
        else:
            out.append("\\x%02x" % b)
    return '"' + "".join(out) + '"'


LONG = 600  # longer strings are shown by their head, length and CRC


def show_bytes(data):
    if len(data) <= LONG:
        return quote(data)
    return "%s... (%d bytes, crc32 %08x)" % (quote(data[:40]), len(data), zlib.crc32(data))


def _text(data):
    return data.decode("latin-1").encode("unicode_escape").decode() if not data.isascii() else data.decode()


def _members(values, mark):
    width = len(str(len(values)))
    lines = []
    for i, lines_of in enumerate(values, 1):
        prefix = "%*d%s " % (width, i, mark)
        lines.append(prefix + lines_of[0])
        lines += [" " * len(prefix) + x for x in lines_of[1:]]
    return lines


def _pair(key, value):
    head = "\n".join(show(key))
    val = show(value)
    first = head + " => " + val[0]
    return first.split("\n") + ["   " + x for x in val[1:]]


MARKS = {"array": ")", "set": "~", "push": ">", "map": "#"}


def show(r):
    """The lines that stand for a reply; every RESP type has a look of its own."""
    k, v = r.kind, r.value
    if k == "status":
        return ["+" + _text(v)]
    if k == "error":
        return ["-" + _text(v)]
    if k == "int":
        return [":" + v.decode()]
    if k == "bulk":
        return [show_bytes(v)]
    if k == "null":
        return ["(null)"]
    if k == "nullbulk":
        return ["(nil)"]
    if k == "nullarray":
        return ["(nil array)"]
    if k == "double":
        return ["," + v.decode()]
    if k == "bool":
        return ["#" + v.decode()]
    if k == "big":
        return ["(big) " + v.decode()]
    if k == "verbatim":
        return ["=%s:%s" % (v[:3].decode(), show_bytes(v[4:]))]
    if k == "bloberror":
        return ["!" + show_bytes(v)]
    if k == "attr":
        pairs, real = v
        return ["(attribute)"] + ["  " + x for x in show(Reply("map", pairs))] + show(real)
    if not v:
        return ["(empty %s)" % k]
    if k == "map":
        return _members([_pair(a, b) for a, b in v], "#")
    return _members([show(x) for x in v], MARKS[k])


def sort_reply(r):
    """Brings the members of an aggregate into a fixed order, for replies whose order means nothing."""
    if r.kind == "map":
        r.value.sort(key=lambda p: (show(p[0]), show(p[1])))
    elif r.kind in ("array", "set", "push"):
        r.value.sort(key=show)
    return r
