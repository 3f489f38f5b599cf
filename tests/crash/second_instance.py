#!/usr/bin/env python3
"""A second instance on the same port, socket or directory is refused with one clear line."""

import os
import subprocess
import sys

from crowd import Failure, main
import server


def refused(s, wanted, *args):
    r = subprocess.run(s.words + list(args), cwd=s.dir, capture_output=True)
    said = r.stderr.decode().strip()
    if r.returncode != 1 or said.count("\n") or wanted not in said:
        raise Failure("exit code %d, wanted %r, said: %s" % (r.returncode, wanted, said))


def second_instance(start):
    with start("--workers", "2", "--unixsocket", "s.sock") as s:
        other = os.path.join(s.dir, "other")
        os.mkdir(other)
        free = str(server.free_port())
        refused(s, "%d is taken" % s.port, "--port", str(s.port), "--dir", other)
        refused(s, "skep.lock", "--port", free, "--dir", s.dir)
        refused(s, "s.sock is taken", "--port", free, "--dir", other, "--unixsocket", os.path.join(s.dir, "s.sock"))
        refused(s, "arena", "--port", free, "--dir", other, "--arena-size", "1mb")
        if s.connect().command("PING").kind != "status":
            raise Failure("the first instance does not answer")


if __name__ == "__main__":
    sys.exit(main({"second_instance": second_instance}, server.Server))
