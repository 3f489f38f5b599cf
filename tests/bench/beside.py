#!/usr/bin/env python3
"""beside.py - what collections and scripts cost beside redis-server: reads of ten and of a hundred elements, a script of one
GET and one SET, messages to a hundred subscribers, how long a pushed element takes to a client that waits for it, and the
memory of a hundred thousand different scripts.

  beside.py build/skep [--only zrank,publish] [--runs 3] [--port 7321]

Run by hand: the figures depend on the machine, and only their ratios say something. The servers take turns, and a figure is
the median of its runs. CPU figures: one worker, pipelines of 16, on eight connections; the rest: two workers.
"""
import argparse, hashlib, os, shlex, signal, socket, statistics, subprocess, tempfile, threading, time

HZ = os.sysconf('SC_CLK_TCK')
PIPE, CONNS, BATCHES = 16, 8, 64


def family(pid):
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        for t in os.listdir(f'/proc/{p}/task'):
            todo += map(int, open(f'/proc/{p}/task/{t}/children').read().split())
    return out


def cpu_seconds(pid):
    fields = [open(f'/proc/{p}/stat').read().rsplit(')', 1)[1].split() for p in family(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields) / HZ


def encode(*a):
    a = [x if isinstance(x, bytes) else str(x).encode() for x in a]
    return b'*%d\r\n' % len(a) + b''.join(b'$%d\r\n%s\r\n' % (len(x), x) for x in a)


class Server:
    def __init__(self, cmd, port):
        self.port, self.dir = port, tempfile.TemporaryDirectory(prefix='bench')
        self.proc = subprocess.Popen(shlex.split(cmd) + ['--port', str(port), '--dir', self.dir.name, '--save', '',
                                                         '--appendonly', 'no'],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f'no server: {cmd}')

    def connect(self):
        s = socket.create_connection(('127.0.0.1', self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(20)
        self.dir.cleanup()


def ask(s, data, replies):
    """Sends commands; their replies are told apart by a last ECHO, since their form does not matter here."""
    s.sendall(data + encode('ECHO', 'the-very-end'))
    end, got = b'$12\r\nthe-very-end\r\n', b''
    while not got.endswith(end):
        got += s.recv(1 << 20)
    return len(got) - len(end)


# ---- CPU of reads ----

SCRIPT = "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[2], ARGV[1]) return v"
SHA = hashlib.sha1(SCRIPT.encode()).hexdigest()
READS = {
    'evalsha': lambda i: ('EVALSHA', SHA, 2, 'key:%06d' % (i % 100000), 'other:%06d' % (i % 100000), 'x' * 64),
    'zrange': lambda i: ('ZRANGE', 'z', i % 99000, i % 99000 + 9),
    'zrank': lambda i: ('ZRANK', 'z', 'member:%08d' % (i % 100000)),
    'zrangebyscore': lambda i: ('ZRANGEBYSCORE', 'z', i % 99000, '+inf', 'LIMIT', 0, 10),
    'hgetall': lambda i: ('HGETALL', 'h:%d' % (i % 1000)),
    'lrange': lambda i: ('LRANGE', 'l:%d' % (i % 1000), 0, 99),
}


def fill(s):
    ask(s, encode('SCRIPT', 'LOAD', SCRIPT), 1)
    for at in range(0, 100000, 1000):
        ask(s, b''.join(encode('SET', 'key:%06d' % i, 'x' * 64) for i in range(at, at + 1000)), 1000)
    for at in range(0, 100000, 1000):
        ask(s, b''.join(encode('ZADD', 'z', i, 'member:%08d' % i) for i in range(at, at + 1000)), 1000)
    for k in range(1000):
        pairs = [x for j in range(100) for x in ('field%d' % j, 'value:%08d' % (k + j))]
        ask(s, encode('HSET', 'h:%d' % k, *pairs) + encode('RPUSH', 'l:%d' % k, *pairs[1::2]), 2)


def receive(s, n):
    while n:
        n -= len(s.recv(min(n, 1 << 20)))


def read_cost(cmd, port, make):
    srv = Server(cmd, port)
    conns = [srv.connect() for _ in range(CONNS)]
    fill(conns[0])
    batches = [b''.join(encode(*make((b * PIPE + i) * 7919)) for i in range(PIPE)) for b in range(BATCHES)]
    sizes = [ask(conns[0], b, PIPE) for b in batches]
    done, before, until = 0, cpu_seconds(srv.proc.pid), time.time() + 3
    while time.time() < until:
        for c, s in enumerate(conns):
            s.sendall(batches[(done + c) % BATCHES])
        for c, s in enumerate(conns):
            receive(s, sizes[(done + c) % BATCHES])
        done += CONNS
    cost = (cpu_seconds(srv.proc.pid) - before) / (done * PIPE) * 1e6
    srv.stop()
    return cost


# ---- scripts ----

def footprint(pid):
    """Each shared page counted once."""
    lines = [line for p in family(pid) for line in open(f'/proc/{p}/smaps_rollup')]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith('Pss:'))


def bodies(cmd, port):
    """A hundred thousand different EVALs: megabytes more than before."""
    srv = Server(cmd, port)
    s, before = srv.connect(), footprint(srv.proc.pid)
    for at in range(0, 100000, 100):
        ask(s, b''.join(encode('EVAL', 'return %d' % i, 0) for i in range(at, at + 100)), 100)
    grown = footprint(srv.proc.pid) - before
    srv.stop()
    return grown / 1e6


# ---- messages ----

def deliveries(cmd, port):
    """PUBLISH in pipelines to a hundred subscribers: messages received a second."""
    srv = Server(cmd, port)
    subs = [srv.connect() for _ in range(100)]
    for s in subs:
        s.sendall(encode('SUBSCRIBE', 'news'))
    for s in subs:
        s.recv(4096)
    message = b'*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$64\r\n%s\r\n' % (b'x' * 64)
    rounds, per = 150, 32

    def drain(part):
        for _ in range(rounds):
            for s in part:
                receive(s, per * len(message))
            barrier.wait()

    barrier = threading.Barrier(2)
    t = threading.Thread(target=drain, args=(subs,))
    pub, start = srv.connect(), time.time()
    t.start()
    for _ in range(rounds):
        ask(pub, encode('PUBLISH', 'news', 'x' * 64) * per, per)
        barrier.wait()
    t.join()
    rate = rounds * per * 100 / (time.time() - start)
    srv.stop()
    return rate / 1000


def pushed(cmd, port):
    """From RPUSH to the reply of a BLPOP on another connection: the median."""
    srv = Server(cmd, port)
    lat = []
    for pair in range(8): # so that some pairs are served by two workers
        a, b = srv.connect(), srv.connect()
        for i in range(300):
            a.sendall(encode('BLPOP', 'q%d' % pair, 0))
            time.sleep(0.001)
            t = time.perf_counter()
            b.sendall(encode('RPUSH', 'q%d' % pair, 'x'))
            a.recv(4096)
            lat.append(time.perf_counter() - t)
            b.recv(4096)
    srv.stop()
    return statistics.median(lat) * 1e6


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument('skep')
    ap.add_argument('--only', default='')
    ap.add_argument('--runs', type=int, default=3)
    ap.add_argument('--port', type=int, default=7321)
    a = ap.parse_args()
    rows = [(n, 1, 'us CPU', lambda c, m=m: read_cost(c, a.port, m)) for n, m in READS.items()]
    rows += [('publish', 2, 'k deliveries/s', lambda c: deliveries(c, a.port)),
             ('blpop', 2, 'us', lambda c: pushed(c, a.port)), ('evals', 2, 'MB', lambda c: bodies(c, a.port))]
    for name, workers, unit, one in rows:
        if a.only and name not in a.only.split(','):
            continue
        got = [[], []]
        for _ in range(a.runs):
            for i, cmd in enumerate(('redis-server', f'{a.skep} --workers {workers}')):
                got[i].append(one(cmd))
        peer, ours = map(statistics.median, got)
        print(f'{name:14s} redis-server {peer:9.2f}  skep {ours:9.2f} {unit}   ratio {ours / peer:.2f}', flush=True)


if __name__ == '__main__':
    main()
