#!/usr/bin/env python3
"""What durability costs, beside redis-server in the same run.

    durability.py build/skep [cpu|snapshot|load|recovery ...]

cpu       CPU of all processes per SET at a pipeline of 32, appendonly yes, appendfsync everysec
snapshot  BGSAVE of 3 million keys under a full write load: growth of the footprint, a bystander's p99.9
load      time to load an RDB file of 3 million keys
recovery  time to replay a log of 3 million SETs (redis-server: an AOF without preamble)

Run by hand: figures of a busy machine say little, and no test may fail for them.
"""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KEYS = 3000000
HZ = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def family(pid):
    kids, out, todo = {}, [], [pid]
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                kids.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(p))
        except (OSError, IndexError):
            pass
    while todo:
        out.append(todo.pop())
        todo += kids.get(out[-1], [])
    return out


def cpu_seconds(pid):
    ticks = 0
    for p in family(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
        except OSError:
            pass
    return ticks / HZ


def footprint(pid):
    """Each shared page counts once."""
    kb = 0
    for p in family(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                kb += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return kb / 1024


class Server:
    def __init__(self, command, directory, *options, pin=None):
        self.port = free_port()
        argv = [*command, "--port", str(self.port), "--dir", directory, "--save", "", *options]
        if pin is not None:
            argv = ["taskset", "-c", str(pin), *argv]
        self.started = time.perf_counter()
        self.proc = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()
        self.took = time.perf_counter() - self.started

    def wait(self):
        """Until it answers, and has loaded what it has to."""
        while self.proc.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(100).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        sys.exit("the server ended")

    def cli(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True).stdout

    def fill(self, keys):
        """In order, from one client."""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            def drain():
                got = 0
                while got < keys * 5:
                    got += len(s.recv(1 << 20))
            reader = threading.Thread(target=drain)
            reader.start()
            for base in range(0, keys, 1000):
                s.sendall(b"".join(b"SET key:%012d %064d\r\n" % (i, i) for i in range(base, min(base + 1000, keys))))
            reader.join()

    def stop(self, how=signal.SIGTERM):
        self.proc.send_signal(how)
        self.proc.wait()


def benchmark(port, n, pin=None, clients=50):
    pinned = ["taskset", "-c", str(pin)] if pin is not None else []
    subprocess.run([*pinned, "redis-benchmark", "-p", str(port), "-n", str(n), "-P", "32", "-c", str(clients), "-r",
                    str(KEYS), "-d", "64", "-t", "set", "-q"], stdout=subprocess.DEVNULL, check=True)


def fresh():
    return tempfile.mkdtemp(prefix="durability")


def row_cpu(command, redis):
    directory = fresh()
    options = ["--appendonly", "yes", "--appendfsync", "everysec"]
    s = Server([*command, *([] if redis else ["--workers", "1"])], directory, *options, pin=0)
    benchmark(s.port, 500000, pin=1)
    t = cpu_seconds(s.proc.pid)
    benchmark(s.port, 2000000, pin=1)
    t = cpu_seconds(s.proc.pid) - t
    s.stop()
    shutil.rmtree(directory)
    return f"{t / 2000000 * 1e6:.3f} us of CPU per SET"


class Bystander:
    """In a process of its own: what is read and written here while it waits must not count as the server's."""

    def __init__(self, port):
        self.over, (self.end, told) = multiprocessing.Event(), multiprocessing.Pipe(False)
        self.process = multiprocessing.Process(target=self.run, args=(port, told), daemon=True)
        self.process.start()

    def run(self, port, told):
        took = []
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self.over.is_set():
                t = time.perf_counter()
                sock.sendall(b"GET key:000000000001\r\n")
                sock.recv(1000)
                took.append((time.perf_counter() - t) * 1000)
                time.sleep(0.0005)
        told.send(took)

    def finish(self):
        self.over.set()
        took = sorted(self.end.recv())
        self.process.join()
        return f"p99 {took[len(took) * 99 // 100]:.2f} p99.9 {took[len(took) * 999 // 1000]:.2f} max {took[-1]:.1f} ms"


def footprint_while(s, more):
    """The largest, and for how long; looked at in the same way with a snapshot and without."""
    peak, t = 0, time.perf_counter()
    while "rdb_bgsave_in_progress:1" in s.cli("INFO", "persistence") or not peak or more():
        peak = max(peak, footprint(s.proc.pid))
        time.sleep(0.1)
    return peak, time.perf_counter() - t


def row_snapshot(command, redis):
    directory = fresh()
    s = Server([*command, *([] if redis else ["--workers", "2"])], directory, "--appendonly", "no")
    s.fill(KEYS)
    load = subprocess.Popen(["redis-benchmark", "-p", str(s.port), "-n", "1000000000", "-P", "16", "-c", "20", "-r",
                             str(KEYS), "-d", "64", "-t", "set", "-q"], stdout=subprocess.DEVNULL)
    time.sleep(2)
    calm, until = Bystander(s.port), time.perf_counter() + 8
    before, _ = footprint_while(s, lambda: time.perf_counter() < until)
    calm = calm.finish()
    beside = Bystander(s.port)
    s.cli("BGSAVE")
    peak, t = footprint_while(s, lambda: False)
    beside = beside.finish()
    load.kill()
    load.wait()
    s.stop()
    shutil.rmtree(directory)
    return f"footprint +{(peak / before - 1) * 100:.1f}% in {t:.1f} s; bystander without: {calm}; beside it: {beside}"


def row_load(command, redis):
    directory = fresh()
    s = Server(["redis-server"], directory, "--appendonly", "no")
    s.fill(KEYS)
    s.cli("SAVE")
    s.stop()
    s = Server([*command, *([] if redis else ["--workers", "2"])], directory, "--appendonly", "no")
    assert s.cli("DBSIZE").strip() == str(KEYS), s.cli("DBSIZE")
    s.stop()
    shutil.rmtree(directory)
    return f"{s.took:.2f} s"


def row_recovery(command, redis):
    directory = fresh()
    options = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0"]
    command = [*command, *([] if redis else ["--workers", "2"])]
    s = Server(command, directory, *options)
    s.fill(KEYS)
    time.sleep(2)
    s.stop(signal.SIGKILL)
    time.sleep(1)
    s = Server(command, directory, *options)
    assert s.cli("DBSIZE").strip() == str(KEYS), s.cli("DBSIZE")
    s.stop()
    shutil.rmtree(directory)
    return f"{s.took:.2f} s"


ROWS = {"cpu": row_cpu, "snapshot": row_snapshot, "load": row_load, "recovery": row_recovery}


def main():
    for name in sys.argv[2:] or ROWS:
        for redis in (True, False):
            command = ["redis-server"] if redis else [os.path.abspath(sys.argv[1])]
            print(f"{name:9} {'redis-server' if redis else 'skep':12} {ROWS[name](command, redis)}", flush=True)


if __name__ == "__main__":
    main()
