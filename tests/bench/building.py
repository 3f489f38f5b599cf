#!/usr/bin/env python3
"""building.py - CPU time to make collections at once, beside redis-server: RESTORE of redis-server's payloads, COPY, and loading
of redis-server's file; and the bytes that an item takes afterwards.

  building.py build/skep [--only list,hashes] [--ops restore,copy,load] [--runs 3]

Run by hand: only the ratios say something. A figure is the lowest of its runs. Payloads and files come from a third server:
one that is given its own would find the elements in the order of its own table, which is several times as fast as any other.
"""
import argparse, os, shlex, signal, socket, subprocess, tempfile, time

from beside import encode, family

# type, items of each, keys
CASES = {
    "list": ("list", 1000000, 1), "set": ("set", 500000, 1), "hash": ("hash", 500000, 1), "zset": ("zset", 500000, 1),
    "lists": ("list", 200, 10000), "sets": ("set", 200, 5000), "hashes": ("hash", 200, 5000), "zsets": ("zset", 200, 5000),
    "slists": ("list", 20, 30000), "ssets": ("set", 20, 30000), "shashes": ("hash", 20, 30000), "szsets": ("zset", 20, 30000),
}  # fmt: skip


def cpu_ms(pid):
    """Of all threads, and of children that have ended."""
    ns = 0
    for p in family(pid):
        for t in os.listdir(f"/proc/{p}/task"):
            ns += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0])
        ended = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[13:15]
        ns += sum(map(int, ended)) * 10**9 // os.sysconf("SC_CLK_TCK")
    return ns / 1e6


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Server:
    def __init__(self, cmd, rdb=None):
        self.tmp = tempfile.TemporaryDirectory(prefix="bench")
        self.file = os.path.join(self.tmp.name, "dump.rdb")
        if rdb:
            open(self.file, "wb").write(rdb)
        port = free_port()
        more = ["--port", str(port), "--dir", self.tmp.name, "--save", "", "--appendonly", "no"]
        self.proc = subprocess.Popen(shlex.split(cmd) + more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.proc.poll() is None:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                time.sleep(0.05)
        self.replies = self.socket.makefile("rb")
        while self.ask("PING") != b"PONG":
            time.sleep(0.02)

    def read(self):
        line = self.replies.readline()
        if line[:1] == b"$" and line[1:2] != b"-":
            return self.replies.read(int(line[1:]) + 2)[:-2]
        return line[1:-2] if line[:1] in b"+:$" else line[:-2]

    def ask(self, *words):
        self.socket.sendall(encode(*words))
        return self.read()

    def pipe(self, commands, step=50):
        commands = list(commands)
        for i in range(0, len(commands), step):
            part = commands[i : i + step]
            self.socket.sendall(b"".join(encode(*c) for c in part))
            for _ in part:
                r = self.read()
                if r[:1] == b"-":
                    raise SystemExit(r.decode())

    def settle(self):
        """What was deleted has been freed."""
        last = cpu_ms(self.proc.pid)
        while True:
            time.sleep(0.3)
            now = cpu_ms(self.proc.pid)
            if now - last < 4:
                return now
            last = now

    def lap(self, commands):
        before = self.settle()
        self.pipe(commands)
        return cpu_ms(self.proc.pid) - before

    def used(self):
        info = self.ask("INFO", "memory").decode().split("\r\n")
        return int([v for v in info if v.startswith("used_memory:")][0].split(":")[1])

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(60)
        self.tmp.cleanup()


def fill(case):
    kind, n, keys = CASES[case]
    add = {"list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}[kind]
    for k in range(keys):
        for i in range(0, n, 500):
            words = []
            for j in range(i, min(n, i + 500)):
                words += [j * 7919 % 1000003] if kind == "zset" else []
                words += ["el:%07d" % j] + (["vel:%07d" % j] if kind == "hash" else [])
            yield [add, "k%d" % k] + words


def laps(case, servers, runs, commands):
    """The lowest of the runs, and what the last one left in use."""
    keys, out = CASES[case][2], []
    for s in servers:
        base, ms = s.used(), []
        for _ in range(runs):
            ms.append(s.lap(commands))
            more = s.used() - base
            s.pipe(["UNLINK", "r%d" % k] for k in range(keys))
            s.settle()
        out.append((min(ms), more))
    return out


def loads(cmds, runs, rdb):
    out = []
    for cmd in cmds:
        ms = {}
        for what in (None, rdb):
            took = []
            for _ in range(runs):
                s = Server(cmd, what)
                took.append(cpu_ms(s.proc.pid))
                used = s.used()
                s.stop()
            ms[what is rdb] = (min(took), used)
        out.append((ms[True][0] - ms[False][0], ms[True][1] - ms[False][1]))
    return out


def measure(case, opts):
    cmds = (opts.server, "redis-server")
    keys = CASES[case][2]
    source = Server("redis-server")
    source.pipe(fill(case))
    dumps = [source.ask("DUMP", "k%d" % k) for k in range(keys)]
    source.ask("SAVE")
    rdb = open(source.file, "rb").read()
    source.stop()
    servers = [Server(c) for c in cmds]
    base = [s.used() for s in servers]
    yield "commands", [(s.lap(fill(case)), s.used() - b) for s, b in zip(servers, base)]
    if "restore" in opts.ops:
        restore = [["RESTORE", "r%d" % k, 0, dumps[k]] for k in range(keys)]
        yield "restore", laps(case, servers, opts.runs, restore)
    if "copy" in opts.ops:
        yield "copy", laps(case, servers, opts.runs, [["COPY", "k%d" % k, "r%d" % k] for k in range(keys)])
    for s in servers:
        s.stop()
    if "load" in opts.ops:
        yield "load", loads(cmds, opts.runs, rdb)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("server")
    ap.add_argument("--only", default=",".join(CASES))
    ap.add_argument("--ops", default="restore,copy,load")
    ap.add_argument("--runs", type=int, default=3)
    opts = ap.parse_args()
    print("case     what      ours ms redis ms  ratio   ours bytes an item, redis")
    for case in opts.only.split(","):
        items = CASES[case][1] * CASES[case][2]
        for what, ((a, used), (b, theirs)) in measure(case, opts):
            print(f"{case:8} {what:8} {a:8.1f} {b:8.1f} {a / b:6.2f} {used / items:10.1f} {theirs / items:10.1f}", flush=True)


if __name__ == "__main__":
    main()
