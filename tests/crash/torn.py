#!/usr/bin/env python3
"""A log cut at every byte of its last three records, and turned at every byte of one, through the server's start: the last
ones are there or not, whole, in their order; what is damaged is refused, and nothing is invented. NAME SERVER"""

import os
import shutil
import signal
import sys

from crowd import Failure, main
from persist import Lasting, expect

VALUES = [b"%d" % i * 9 for i in range(1, 7)]


def make(s):
    """A record for each SET, a frame for each record. Where each of them ends in the file."""
    c = s.connect()
    ends, path = [], None
    for v in VALUES:
        expect(c, "+OK", "SET", "k", v.decode())
        names = sorted(n for n in os.listdir(s.path("skep-wal")) if n.endswith(".wal"))
        path = s.path("skep-wal/" + names[-1])
        ends.append(len(open(path, "rb").read().rstrip(b"\0")))
    s.end(signal.SIGKILL)
    s.proc = None
    shutil.copytree(s.path("skep-wal"), s.path("kept"))
    return os.path.basename(path), ends


def found(s, name, data):
    """The value after a start with this as the last segment; None: the start is refused."""
    shutil.rmtree(s.path("skep-wal"))
    shutil.copytree(s.path("kept"), s.path("skep-wal"))
    with open(s.path("skep-wal/" + name), "wb") as f:
        f.write(data)
    if s.try_start() != 0:
        s.proc = None
        return None
    value = s.connect().command("GET", "k").value
    s.end(signal.SIGKILL)
    return value


def cut(start):
    with start("--workers", "1", "--appendonly", "yes", "--appendfsync", "always") as s:
        name, ends = make(s)
        data = open(s.path("kept/" + name), "rb").read()
        for at in range(ends[-4], ends[-1] + 1):
            whole = sum(e <= at for e in ends)
            value = found(s, name, data[:at])
            if value != VALUES[whole - 1]:
                raise Failure("cut at %d of %r: %r" % (at, ends, value))
        s.start()


def turned(start):
    """In the last frame the end is torn; in one in front of it, which was on disk before, it is damage."""
    with start("--workers", "1", "--appendonly", "yes", "--appendfsync", "always") as s:
        name, ends = make(s)
        data = open(s.path("kept/" + name), "rb").read()
        for i, wanted in ((len(ends) - 1, VALUES[-2]), (len(ends) - 3, None)):
            for at in range(ends[i - 1] + 2, ends[i]):
                bad = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
                value = found(s, name, bad)
                if value != wanted:
                    raise Failure("byte %d of %r: %r instead of %r" % (at, ends, value, wanted))
        shutil.rmtree(s.path("skep-wal"))
        s.start()


if __name__ == "__main__":
    sys.exit(main({"cut": cut, "turned": turned}, Lasting))
