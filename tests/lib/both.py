"""What the scripts share that hold our server beside a real redis-server, and what reads a key of any type."""

import argparse
import contextlib
import random

import server

READ = {
    "string": lambda k: ["GET", k],
    "list": lambda k: ["LRANGE", k, "0", "-1"],
    "hash": lambda k: ["HGETALL", k],
    "set": lambda k: ["SMEMBERS", k],
    "zset": lambda k: ["ZRANGE", k, "0", "-1", "WITHSCORES"],
}


def options(name, doc, what="server", **counts):
    """The command line --WHAT X --seed N and further numbers; the options, and chance as the seed says, which is printed."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--" + what, required=True)
    ap.add_argument("--seed", type=int, default=1)
    for count, default in counts.items():
        ap.add_argument("--" + count, type=int, default=default)
    opts = ap.parse_args()
    print(name, "--seed", opts.seed)
    server.install_signal_handlers()
    return opts, random.Random(opts.seed)


@contextlib.contextmanager
def connected(command):
    """A connection to ours and one to redis-server. In the end ours must be well, or the script fails."""
    with server.Server(command) as ours, server.Server("redis-server") as redis:
        yield ours.connect(), redis.connect()
        illness = ours.health()
    illness = illness or ours.bad_end
    if illness:
        raise SystemExit(illness)
