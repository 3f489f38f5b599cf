"""What the tests of the loaders share: redis-server as the writer and the judge of files, load_dir as their reader."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import resp  # noqa: E402
import server  # noqa: E402

LIMIT_S = 120


class Failed(Exception):
    pass


def expect(what, wanted, got):
    if wanted != got:
        raise Failed("%s:\n  wanted %r\n  got    %r" % (what, wanted, got))


def command(*argv):
    return resp.encode([a if isinstance(a, bytes) else str(a).encode() for a in argv])


# ---- redis-server ----


class Redis:
    """A redis-server in a folder that is filled before it starts, and kept after it ends."""

    def __init__(self, *extra, files=None):
        self.server = server.Server("redis-server", [str(e) for e in extra])
        self.dir = self.server.dir
        for name, data in (files or {}).items():
            write(os.path.join(self.dir, name), data)

    def __enter__(self):
        self.server.__enter__()
        self.client = self.server.connect()
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.stop()

    def do(self, *argv):
        r = self.client.command(*argv)
        if r.kind == "error":
            raise Failed("redis-server to %r: %r" % (argv, r.value))
        return r.value

    def pipe(self, commands):
        self.client.send_raw(b"".join(commands))
        for _ in commands:
            self.client.read()

    def keys(self):
        """{(db, key): (value, expiry, encoding)}"""
        found = {}
        info = self.do("INFO", "keyspace").decode()
        for db in re.findall(r"db(\d+):", info):
            self.do("SELECT", db)
            cursor = b"0"
            while True:
                cursor, names = [r.value for r in self.do("SCAN", cursor, "COUNT", "1000")]
                for name in names:
                    found[int(db), name.value] = (
                        self.do("GET", name.value),
                        int(self.do("PEXPIRETIME", name.value)),
                        self.do("OBJECT", "ENCODING", name.value).decode(),
                    )
                if cursor == b"0":
                    break
        self.do("SELECT", "0")
        return {k: v for k, v in found.items() if v[0] is not None}

    def keep_expired(self):
        """What has expired stays, and goes to the file, until somebody asks for it."""
        self.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def save(self, to):
        """A folder with the dump as it is now."""
        self.do("SAVE")
        shutil.copy(os.path.join(self.dir, "dump.rdb"), to)

    def copy(self, to):
        """All its files: with appendfsync always the log's are complete, since it is written before the reply."""
        shutil.copytree(self.dir, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("server.log"))


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


# ---- our loaders ----

KEY = re.compile(rb'key (\d+) "([^"]*)" "([^"]*)" (-?\d+) (\w+) (\d+)$')


def unquote(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text)


class Loaded:
    def __init__(self, done):
        lines = done.stdout.split(b"\n")
        self.code = done.returncode
        self.log = b"\n".join(line for line in lines if re.match(rb"\d+:\w ", line)).decode("utf-8", "replace")
        said = [line for line in lines if line and not re.match(rb"\d+:\w ", line)]
        self.verdict = said[0].decode("utf-8", "replace") if said else ""
        self.keys, self.words, self.clocks = {}, {}, {}
        for line in said[1:]:
            m = KEY.match(line)
            if m:
                name = int(m.group(1)), unquote(m.group(2))
                self.keys[name] = unquote(m.group(3)), int(m.group(4)), m.group(5).decode()
                self.clocks[name] = int(m.group(6))
            else:
                words = line.decode().split()
                self.words.update(zip(words[::2], words[1::2]))
        self.stderr = done.stderr.decode("utf-8", "replace")


class Folder:
    """A data directory for our loaders."""

    def __init__(self, program):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="skep-load-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        write(self.path(name), data)

    def load(self, *directives, loaders=2, show="yes", user=None):
        args = [self.program, "--loaders", str(loaders), "--show", show, "dir", self.dir]
        args += [str(d) for d in directives]
        done = subprocess.run(
            args,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
            preexec_fn=(lambda: (os.setgid(user), os.setuid(user))) if user else None,
        )
        loaded = Loaded(done)
        if loaded.code not in (0, 1):
            last = done.stdout[-300:].decode("utf-8", "replace")
            raise Failed("load_dir ended with %d: %s\n%s\n%s\n%s" % (loaded.code, loaded.verdict, loaded.log, last, loaded.stderr))
        if (loaded.code == 0) != (loaded.verdict == "ok"):
            raise Failed("exit code %d, but it says %s" % (loaded.code, loaded.verdict))
        return loaded

    def loads(self, *directives, **kw):
        loaded = self.load(*directives, **kw)
        if loaded.code:
            raise Failed("not loaded: %s\n%s" % (loaded.verdict, loaded.log))
        return loaded

    def refuses(self, pattern, *directives, **kw):
        loaded = self.load(*directives, **kw)
        if not loaded.code:
            raise Failed("loaded, though it should be refused with %r" % pattern)
        if not re.search(pattern, loaded.verdict):
            raise Failed("refused with %r, not with %r" % (loaded.verdict, pattern))
        return loaded


def same_keys(what, wanted, got):
    now = int(time.time() * 1000)
    got = {k: v for k, v in got.items() if v[1] < 0 or v[1] > now}
    wanted = {k: v for k, v in wanted.items() if v[1] < 0 or v[1] > now}
    for k in sorted(set(wanted) | set(got)):
        if wanted.get(k) != got.get(k):
            raise Failed("%s: the key %r:\n  wanted %.300r\n  got    %.300r" % (what, k, wanted.get(k), got.get(k)))


def main(scenarios, argv):
    """SCENARIO PROGRAM"""
    server.install_signal_handlers()
    try:
        scenarios[argv[1]](*argv[2:])
    except Failed as e:
        sys.exit("%s: %s" % (argv[1], e))
    except server.StartFailed as e:
        sys.exit("redis-server: %s" % e)
