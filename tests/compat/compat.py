#!/usr/bin/env python3
"""Starts a private server and runs a client program against it, its port in SKEP_PORT.

    compat.py --server 'build/skep --workers 2' [--kills N] PROGRAM [ARGUMENT ...]

The exit status is the program's; a worker that died meanwhile, or an unsound arena, is a failure too. With --kills the
program kills so many workers itself, no more and no less; it finds the number in KILLS.
"""

import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import server  # noqa: E402


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--server", required=True)
    ap.add_argument("--kills", type=int, default=0)
    ap.add_argument("program", nargs=argparse.REMAINDER)
    opts = ap.parse_args()
    server.install_signal_handlers()
    with server.Server(opts.server) as srv:
        env = dict(os.environ, SKEP_PORT=str(srv.port), KILLS=str(opts.kills))
        client = subprocess.Popen(opts.program, env=env)
        try:
            status = client.wait()
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
        illness = srv.health(opts.kills)
        if status != 0 or illness:
            print(illness or "", "--- the server's last lines ---", srv.log_tail(), sep="\n")
    sys.exit(1 if status != 0 or illness else 0)


if __name__ == "__main__":
    main()
