#!/usr/bin/env python3
"""How the server starts, and how it refuses to: `start.py build/skep [NAME ...]` runs all cases, or those named.

What redis-server has words for (the block that names file and line) is told as redis-server tells it, beside its name;
the rest is one line of our own. Every refusal ends with exit code 1 before anything has been forked.
"""

import json
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import resp  # noqa: E402
import server  # noqa: E402

LIMIT_S = server.WAIT_S


class Case:
    """A folder of its own, and the program to start in it."""

    def __init__(self, program):
        self.program = self.build = os.path.abspath(program)
        self.dir = tempfile.mkdtemp(prefix="skep-start-")
        self.faults = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="latin-1") as f:
            f.write(text)
        return self.path(name)

    def run(self, *args, stdin=""):
        """Starts what is expected to end by itself: (exit code, standard output, standard error)."""
        p = subprocess.run(
            [self.program, *args], cwd=self.dir, input=stdin, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        return p.returncode, p.stdout, p.stderr

    def expect(self, what, wanted, got):
        if got != wanted:
            self.faults.append("%s:\n  wanted %r\n  got    %r" % (what, wanted, got))

    def refused(self, wanted, *args, stdin=""):
        """One line of ours on standard error, exit code 1, and nothing else but log lines on standard output."""
        code, _, err = self.run(*args, stdin=stdin)
        self.expect("exit code of %s" % (args,), 1, code)
        lines = [line for line in err.splitlines() if line.startswith("skep: ") or not re.match(r"\d+:\w ", line)]
        self.expect("what %s says" % (args,), ["skep: " + wanted], lines)

    def refused_at(self, place, line, reason, *args, stdin=""):
        """The block that names file, line and reason, as redis-server prints it."""
        code, _, err = self.run(*args, stdin=stdin)
        self.expect("exit code of %s" % (args,), 1, code)
        head = re.sub(r"\(Skep [^)]*\)", "(Skep)", err).strip().splitlines()
        wanted = ["*** FATAL CONFIG FILE ERROR (Skep) ***", "Reading the configuration file, at " + place]
        self.expect("what %s says" % (args,), wanted + [">>> '%s'" % line, reason], head)

    def serving(self, *args, stdin=None, options=()):
        """A server that runs, on a port of its own; stdin is what it reads with '-'."""
        return Serving(self, args, stdin, options)


class Serving:
    def __init__(self, case, args, stdin, options):
        self.case, self.args, self.stdin, self.options = case, list(args), stdin, list(options)

    def __enter__(self):
        self.port = server.free_port()
        args = [self.case.program, *self.args, "--port", str(self.port), "--bind", "127.0.0.1", "--workers", "1"]
        self.proc = subprocess.Popen(
            args + self.options,
            cwd=self.case.dir,
            stdin=subprocess.PIPE if self.stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=server._die_with_parent,
        )
        if self.stdin is not None:
            self.proc.stdin.write(self.stdin.encode())
            self.proc.stdin.close()
        return self

    def ask(self, *argv):
        c = resp.Connection(port=self.port)
        try:
            return "\n".join(resp.show(c.command(*argv)))
        finally:
            c.close()

    def info(self, section):
        c = resp.Connection(port=self.port)
        try:
            return dict(line.split(":", 1) for line in c.command("INFO", section).value.decode().splitlines()[1:])
        finally:
            c.close()

    def ready(self):
        end = server.time.monotonic() + LIMIT_S
        while server.time.monotonic() < end and self.proc.poll() is None:
            try:
                if self.ask("PING") == "+PONG":
                    return True
            except (OSError, resp.Closed, resp.Timeout):
                server.time.sleep(0.02)
        self.case.faults.append("the server %s was not ready: %s" % (self.args, self.proc.poll()))
        return False

    def users(self):
        """Whom the master and each of its children runs as."""
        found = []
        with open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid), encoding="ascii") as f:
            for pid in [self.proc.pid, *map(int, f.read().split())]:
                try:
                    found.append(os.stat("/proc/%d" % pid).st_uid)
                except FileNotFoundError:
                    pass  # a loader, say, which had done its work
        return found

    def value(self, name):
        return self.ask("CONFIG", "GET", name).partition("\n2) ")[2]

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.terminate()
        try:
            code = self.proc.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            code = self.proc.wait()
        self.proc.stderr.close()
        self.case.expect("exit code after SIGTERM", 0, code)


# ---- refusals ----


def case_unknown_directive(c):
    conf = c.write("a.conf", "# a comment\nport 0\nfoo bar\n")
    c.refused_at("line 3 of " + conf, "foo bar", "Bad directive or wrong number of arguments", conf)
    c.refused_at("line 1 of the command line", 'foo "bar"', "Bad directive or wrong number of arguments", "--foo", "bar")


def case_bad_value(c):
    conf = c.write("a.conf", "timeout soon\n")
    c.refused_at("line 1 of " + conf, "timeout soon", "argument couldn't be parsed into an integer", conf)
    wanted = "argument must be between 0 and 65535 inclusive"
    c.refused_at("line 1 of the command line", 'port "65536"', wanted, "--port", "65536")


def case_unbalanced_quotes(c):
    conf = c.write("a.conf", 'dir "/tmp\n')
    c.refused_at("line 1 of " + conf, 'dir "/tmp', "Unbalanced quotes in configuration line", conf)


def case_include_missing(c):
    inner = c.write("b.conf", "\ninclude /no/such/file\n")
    conf = c.write("a.conf", "include %s\n" % inner)
    reason = "can't open config file '/no/such/file': No such file or directory"
    c.refused_at("line 2 of " + inner, "include /no/such/file", reason, conf)


def case_standard_input(c):
    c.refused_at("line 2 of standard input", "timeout x", "argument couldn't be parsed into an integer", "-",
                 stdin="port 0\ntimeout x\n")  # fmt: skip


def case_promises_not_kept(c):
    for line, lacks in (("cluster-enabled yes", "cluster"), ("tls-port 6380", "TLS"), ("replicaof h 1", "replication")):
        conf = c.write("a.conf", line + "\n")
        c.refused_at("line 1 of " + conf, line, "this version has no " + lacks, conf)


def case_file_missing(c):
    code, _, err = c.run("/no/such.conf")
    c.expect("exit code", 1, code)
    c.expect("words", "Fatal error, can't open config file '/no/such.conf': No such file or directory", err.strip())


def case_file_unreadable(c):
    # A folder cannot be read by anybody, root included, whom permissions would not stop.
    os.mkdir(c.path("d.conf"))
    code, _, err = c.run(c.path("d.conf"))
    c.expect("exit code", 1, code)
    c.expect("words", "Fatal error, can't open config file '%s': Is a directory" % c.path("d.conf"), err.strip())


def case_port_taken(c):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        at = "127.0.0.1:%d" % s.getsockname()[1]
        wanted = "%s is taken: another process listens there (bind: Address already in use)" % at
        c.refused(wanted, "--bind", "127.0.0.1", "--port", at.split(":")[1])


def case_port_of_another_instance(c):
    # Both would set SO_REUSEPORT, so the kernel alone would let them share the port.
    with c.serving() as s:
        if s.ready():
            os.mkdir(c.path("other"))
            wanted = "127.0.0.1:%d is taken: another process listens there (bind: Address already in use)" % s.port
            c.refused(wanted, "--bind", "127.0.0.1", "--port", str(s.port), "--dir", c.path("other"))
            c.expect("the first goes on", "+PONG", s.ask("PING"))


def case_directory_taken(c):
    with c.serving() as s:
        if s.ready():
            wanted = "the directory %s is taken: another instance (pid %d) holds skep.lock there" % (c.dir, s.proc.pid)
            c.refused(wanted, "--port", str(server.free_port()), "--bind", "127.0.0.1")
            c.expect("the first goes on", "+PONG", s.ask("PING"))


def case_address(c):
    wanted = "cannot listen on 203.0.113.7:1: bind: Cannot assign requested address"
    c.refused(wanted, "--bind", "203.0.113.7", "--port", "1")
    c.refused("there is no address to listen on", "--bind", "-203.0.113.7", "--port", "1")
    c.refused("there is no address to listen on", "--port", "0")
    port = str(server.free_port())
    c.refused("127.0.0.1:%s is given twice" % port, "--bind", "127.0.0.1 127.0.0.1", "--port", port)


def case_run_as(c):
    c.refused("run-as nosuchuser: there is no such user", "--run-as", "nosuchuser", "--port", str(server.free_port()))
    if os.geteuid() != 0:
        c.refused("run-as root: only root can become another user", "--run-as", "root", "--port", str(server.free_port()))
        return
    os.chmod(c.dir, 0o777)
    with c.serving("--run-as", "nobody") as s:
        if s.ready():
            c.expect("it works", "+OK", s.ask("SET", "k", "v"))
            wanted = [pwd.getpwnam("nobody").pw_uid] * 4  # the master, a worker, two lanes
            end = server.time.monotonic() + LIMIT_S
            while s.users() != wanted and server.time.monotonic() < end:
                server.time.sleep(0.02)  # the worker serves before the lanes have been forked
            c.expect("the users that the processes are", wanted, s.users())


def case_arena_too_small(c):
    # Few enough clients for any machine's limit of descriptors, which may lower maxclients.
    wanted = "arena-size 1048576 is too small for maxclients 500 and databases 16"
    c.refused(wanted, "--arena-size", "1mb", "--maxclients", "500", "--port", "0", "--unixsocket", "s")


def case_logfile(c):
    c.refused("Can't open the log file /no/such/log: No such file or directory", "--logfile", "/no/such/log")


def case_file_that_cannot_be_loaded(c):
    """Told as what it is, at once: a file that is refused is no crash, after which all would be begun again."""
    path = c.path("dump.rdb")
    args = ["--port", "0", "--unixsocket", "s"]
    for records, wanted in (
        (b"\0\1a\1b" * 2, "the file has the key 'a' of database 0 twice"),
        (b"\3\1z\1\1m\4what", "a score is no number (at offset 15)"),
    ):
        with open(path, "wb") as f:
            f.write(b"REDIS0009" + records + b"\xff" + bytes(8))
        for workers in "1", "2":
            c.refused("Loading %s: %s" % (path, wanted), "--workers", workers, *args)
    with open(path, "wb") as f:
        f.write(b"REDIS0009" + b"".join(b"\0\4%04d\x7f\xff" % i + bytes(0x3FFF) for i in range(3000)) + b"\xff" + bytes(8))
    code, _, err = c.run("--workers", "1", "--arena-size", "32mb", *args)
    c.expect("exit code of a file that is too big", 1, code)
    told = re.sub(r"\d+ MB in use", "n MB in use", err)
    c.expect("what is said of it", "skep: Loading %s: the arena is full (n MB in use): raise arena-size, or give the machine more memory\n" % path, told)


def case_script_without_end_in_a_log(c):
    """While it runs clients are told that the server loads, and the server can be ended."""
    first = resp.encode([b"SET", b"a", b"1"])
    with open(c.path("appendonly.aof"), "wb") as f:
        f.write(first + resp.encode([b"EVAL", b"while true do end", b"0"]))
    loading = "-LOADING Redis is loading the dataset in memory"
    with c.serving("--appendonly", "yes") as s:
        end, at = server.time.monotonic() + LIMIT_S, None
        while at != str(len(first)) and server.time.monotonic() < end:
            try:
                at = s.info("persistence").get("loading_loaded_bytes")
            except OSError:
                server.time.sleep(0.02)
        c.expect("where the loading stands", str(len(first)), at)
        for _ in range(20):
            server.time.sleep(0.01)
            c.expect("the answer beside it", loading, s.ask("GET", "a"))


def case_unixsocket_in_the_way(c):
    path = c.write("s", "precious")
    wanted = "cannot listen on %s: what stands in its place: Socket operation on non-socket" % path
    c.refused(wanted, "--port", "0", "--unixsocket", path)
    with open(path, encoding="ascii") as f:
        c.expect("the file", "precious", f.read())


# ---- starts ----


def case_order(c):
    """Later over earlier: file, then what it includes, then standard input, then the command line."""
    c.write("more.inc", "timeout 2\nhz 20\n")
    conf = c.write("a.conf", "timeout 1\ntcp-keepalive 1\nmaxmemory 1gb\ninclude more.inc\nmaxclients 77\n")
    with c.serving(conf, stdin="maxclients 78\nhz 30\n", options=["--hz", "40", "-"]) as s:
        if s.ready():
            for name, wanted in (("timeout", "2"), ("tcp-keepalive", "1"), ("hz", "40"), ("maxclients", "78")):
                c.expect(name, '"%s"' % wanted, s.value(name))
            c.expect("maxmemory", '"1073741824"', s.value("maxmemory"))
            info = s.info("server")
            c.expect("INFO's paths", [c.program, conf], [info["executable"], info["config_file"]])


def case_quotes(c):
    conf = c.write("a.conf", "requirepass \"a b\\x01\\\"\"\nproc-title-template '{title} it\\'s'\n")
    with c.serving(conf) as s:
        while s.proc.poll() is None:
            try:
                conn = resp.Connection(port=s.port)
                break
            except OSError:
                server.time.sleep(0.02)
        c.expect("a password of odd bytes", ["+OK"], resp.show(conn.command("AUTH", b'a b\x01"')))
        got = resp.show(conn.command("CONFIG", "GET", "proc-title-template"))
        c.expect("single quotes", '2) "{title} it\'s"', got[1])
        conn.close()


def case_rewrite_loads_again(c):
    conf = c.write("a.conf", "# mine\nsave 3600 1\n")
    with c.serving(conf) as s:
        if s.ready():
            c.expect("set", "+OK", s.ask("CONFIG", "SET", "proc-title-template", "{title} \"x\" 'y' \\"))
            c.expect("rewrite", "+OK", s.ask("CONFIG", "REWRITE"))
    with c.serving(conf) as s:
        if s.ready():
            c.expect("as it was set", '"{title} \\"x\\" \'y\' \\\\"', s.value("proc-title-template"))
            with open(conf, encoding="ascii") as f:
                c.expect("the comment", "# mine\n", f.readline())


def case_skepctl_check(c):
    """An operator on the machine may have the arena checked without having opened DEBUG to everybody."""
    skepctl = os.path.join(os.path.dirname(c.program), "skepctl")
    with c.serving() as s:
        if s.ready():
            p = subprocess.run([skepctl, "-p", str(s.port), "check"], capture_output=True, text=True, timeout=LIMIT_S)
            c.expect("exit code and complaints", (0, ""), (p.returncode, p.stderr))
            refusal = s.ask("DEBUG", "SLEEP", "0")
            c.expect("DEBUG otherwise", True, refusal.startswith("-ERR DEBUG command not allowed."))


def skepctl(c, port, *args):
    """(exit code, what it says on either output)"""
    tool = os.path.join(os.path.dirname(c.build), "skepctl")
    p = subprocess.run([tool, "-p", str(port), *args], capture_output=True, text=True, timeout=3 * LIMIT_S, check=False)
    return p.returncode, (p.stdout + p.stderr).strip()


def case_skepctl_reload_refused(c):
    """What the master refuses is told by skepctl, with the reason, and not as done."""
    conf = c.write("a.conf", "timeout 7\n")
    with c.serving(conf) as s:
        if not s.ready():
            return
        c.write("a.conf", "timeout 8\nnosuch 1\n")
        code, said = skepctl(c, s.port, "reload")
        c.expect("exit code", 1, code)
        c.expect("the reason", True, said.startswith("The configuration stays as it was: ") and "a.conf >>> 'nosuch 1' Bad directive" in said)
        c.expect("as it was", '"7"', s.value("timeout"))
        c.write("a.conf", "timeout 8\n")
        c.expect("put right", (0, True), (lambda r: (r[0], r[1].startswith("all 1 workers are new")))(skepctl(c, s.port, "reload")))
        c.expect("as it is now", '"8"', s.value("timeout"))


def case_skepctl_upgrade_refused(c):
    c.program = shutil.copy(c.program, c.path("skep"))
    with c.serving() as s:
        if s.ready():
            os.rename(c.write("new", "no program\n"), c.program)
            os.chmod(c.program, 0o755)
            code, said = skepctl(c, s.port, "--json", "upgrade")
            c.expect("exit code", 1, code)
            told = json.loads(said)
            c.expect("the reason", (False, True), (told["done"], "is refused: it cannot be run: Exec format error" in told["message"]))
            c.expect("it serves on", "+PONG", s.ask("PING"))


def case_skepctl_status(c):
    """All processes are there, and the table is whole."""
    with c.serving("--slow-lanes", "2", "--appendonly", "yes") as s:
        if s.ready():
            wanted = {"workers": ["running"], "slow_lanes": ["running"] * 2, "disk_processes": ["running"]}
            code, lists, end = 0, {}, server.time.monotonic() + LIMIT_S
            while code == 0 and lists != wanted and server.time.monotonic() < end:  # some are forked after the first PING
                code, said = skepctl(c, s.port, "--json", "status")
                told = json.loads(said)
                lists = {k: [p["state"] for p in told[k]] for k in wanted}
            c.expect("the processes", (0, wanted), (code, lists))
            code, said = skepctl(c, s.port, "status")
            rows = [line.split()[0] for line in said.splitlines()[3:7]]
            c.expect("the table", (0, ["process", "worker", "slow", "slow"]), (code, [rows[0], *rows[1:]]))


def case_unixsocket_left_over(c):
    """A socket whose server is gone is replaced; afterwards it is removed."""
    path = c.path("s")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    with c.serving("--unixsocket", path, "--unixsocketperm", "700") as s:
        if s.ready():
            conn = resp.Connection(path=path)
            c.expect("over the socket", ["+PONG"], resp.show(conn.command("PING")))
            conn.close()
            c.expect("its permissions", 0o700, stat.S_IMODE(os.stat(path).st_mode))
    c.expect("it is gone", False, os.path.exists(path))


def main():
    server.install_signal_handlers()
    cases = {name[5:]: f for name, f in globals().items() if name.startswith("case_")}
    failed = []
    for name in sys.argv[2:] or cases:
        c = Case(sys.argv[1])
        try:
            cases[name](c)
        finally:
            shutil.rmtree(c.dir, ignore_errors=True)
        print("%s: %s" % (name, "FAILED" if c.faults else "ok"))
        for fault in c.faults:
            print("  " + fault)
        failed += [name] if c.faults else []
    if failed:
        sys.exit("failed: " + " ".join(failed))


if __name__ == "__main__":
    main()
