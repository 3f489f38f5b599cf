"""Starts a private server for a test and always ends it: on success, failure, Ctrl-C, and when the test itself is killed."""

import ctypes
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import resp  # noqa: E402

WAIT_S = resp.READ_TIMEOUT_S  # for what should happen soon
LIMIT_S = 280  # for a whole test: it ends its servers and tells what it was at before CTest kills it, at 300
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


_ports = []  # of this process: each is held until it ends by a socket of that name, so that no other test is given it


def free_port():
    """Beside the ports that the kernel gives to whoever connects, since a server may be started on it again and again."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        given_from = int(f.read().split()[0])
    while True:
        port = random.randrange(10000, given_from if given_from > 11000 else 65536)
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind("\0skep-test-port-%d" % port)
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            mine.close()
            continue
        _ports.append(mine)
        return port


class StartFailed(Exception):
    pass


class Server:
    """command: the program and its own arguments; extra: directives that the test adds."""

    def __init__(self, command, extra=()):
        words = shlex.split(command)
        if os.sep in words[0]:
            words[0] = os.path.abspath(words[0])
        self.is_redis = os.path.basename(words[0]).startswith("redis")
        self.words = words
        self.extra = list(extra)
        self.dir = tempfile.mkdtemp(prefix="skep-test-")
        self.log = os.path.join(self.dir, "server.log")
        self.proc = None
        self.port = None
        self.bad_end = None  # after the end: what was wrong with it (a sanitizer's findings, say)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        # Between choosing a port and listening on it somebody else may take it: try again then.
        for attempt in range(5):
            self.port = free_port()
            if self._try_start():
                return
        raise StartFailed("the server did not start; its output:\n" + self.log_tail())

    def _try_start(self):
        args = self.words + ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir]
        args += ["--save", "", "--enable-debug-command", "yes"] + self.extra
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen(
                args,
                cwd=self.dir,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                if b"ddress already in use" in open(self.log, "rb").read():
                    return False
                raise StartFailed(
                    "the server ended with %s before it was ready; its output:\n%s"
                    % (self.proc.returncode, self.log_tail())
                )
            if self._ready():
                return True
            time.sleep(0.02)
        raise StartFailed("the server was not ready in %d s; its output:\n%s" % (WAIT_S, self.log_tail()))

    def _ready(self):
        try:
            c = resp.Connection(port=self.port)
        except OSError:
            return False
        try:
            c.send([b"PING"])
            answer = c.read(2.0)
            return answer.kind == "status" or answer.value.startswith((b"NOAUTH", b"DENIED"))
        except (resp.Closed, resp.Timeout, OSError):
            return False
        finally:
            c.close()

    def connect(self, path=""):
        """Over TCP, or to a unix socket in the server's folder."""
        if path:
            return resp.Connection(path=os.path.join(self.dir, path))
        return resp.Connection(port=self.port)

    def is_blocked(self, c):
        """Waits until this connection's client waits for a key, as CLIENT LIST tells; False: it was answered instead."""
        own = "addr=%s:%d " % c.sock.getsockname()
        asks = self.connect()
        try:
            end = time.monotonic() + WAIT_S
            while time.monotonic() < end and c.quiet_for(0.002):
                for line in asks.command("CLIENT", "LIST").value.decode("latin-1").splitlines():
                    if own in line and "b" in line.partition("flags=")[2].split()[0]:
                        return c.quiet_for(0)
            return False
        finally:
            asks.close()

    def log_tail(self, lines=40):
        try:
            with open(self.log, "rb") as f:
                return b"\n".join(f.read().splitlines()[-lines:]).decode("utf-8", "replace")
        except OSError:
            return "(no output)"

    def health(self, kills=0):
        """What a script could not see: a worker that died and was repaired, beyond its own kills; an unsound arena."""
        if self.is_redis or self.proc is None or self.proc.poll() is not None:
            return None
        try:
            c = self.connect()
            try:
                info = c.command("INFO", "workers")
                if info.kind == "error":  # AUTH wanted, or the script used up the clients
                    return None
                for line in (info.value or b"").decode("latin-1").splitlines():
                    if line.startswith("crashes_repaired:") and line.strip() != "crashes_repaired:%d" % kills:
                        return "the script kills %d workers, and these died: %s" % (kills, line)
                answer = c.command("DEBUG", "ARENA", "CHECK", timeout=LIMIT_S)
                if answer.kind == "error" and b"not allowed" not in answer.value:
                    return "DEBUG ARENA CHECK: " + answer.value.decode("latin-1")
            finally:
                c.close()
        except (resp.Closed, resp.Timeout, OSError) as e:
            return "the server does not answer after the script: " + repr(e)
        return None

    def stop(self):
        """Ends the server; returns its exit status, or None when it had to be killed."""
        status = None
        if self.proc is not None:
            if self.proc.poll() is None:
                self.proc.send_signal(signal.SIGTERM)
            try:
                status = self.proc.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                pass
            # The session that was made for this server: whatever it left behind goes with it.
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            self.proc.wait()
            self.proc = None
            if status != 0 and not self.is_redis:
                words = "had to be killed" if status is None else "ended with %d" % status
                self.bad_end = "the server %s; its last lines:\n%s" % (words, self.log_tail())
        shutil.rmtree(self.dir, ignore_errors=True)
        return status


def install_signal_handlers(limit_s=LIMIT_S):
    """SIGTERM, SIGHUP and the time limit become exceptions, so that every `with` ends its server."""

    def stop(signum, _frame):
        raise SystemExit("ended by signal %d%s" % (signum, " (time limit)" if signum == signal.SIGALRM else ""))

    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(s, stop)
    if limit_s:
        signal.alarm(limit_s)
