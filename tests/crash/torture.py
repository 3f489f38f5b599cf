#!/usr/bin/env python3
"""A server under load whose processes are killed at random, again and again, while snapshots are made and the log is switched
off and on; clients with ledgers say whether anything was lost, came back, or is there by halves.

    tests/crash/torture [--minutes N | --seconds N] [--seed S] [--clients N] [BINARY]

The seed is printed. After a failure the server's folder is kept, and its name printed."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from crowd import WAIT_S, Failure, check_arena, children_of, exists, kill, wait_for
from ledger import Keeper, Reader
from persist import Lasting
import resp
import server

BINARY = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../build-test/skep")
START = ["--workers", "2", "--appendonly", "yes", "--appendfsync", "always", "--worker-watchdog-ms", "20000"]


class World:
    """The server, its clients, and what may be asked of them at the moment."""

    def __init__(self, program, seed, clients):
        self.r = random.Random(seed)
        self.s = Lasting(program, START)
        self.life, self.current = 0, None
        self.policy, self.log_on = "always", True
        self.lost_life = [0] * clients  # what a reader was told before counts no more
        self.done = {}
        self.began = time.monotonic()
        self.started()
        known = {r.value[0].value.decode().upper() for r in self.admin().command("COMMAND").value}
        self.keepers = [Keeper(self, i, seed, known) for i in range(clients)]
        self.reader = Reader(self, clients)

    # ---- the clients' side ----

    def counter_is(self, index, value, life, strict):
        if not strict:
            self.lost_life[index] = life
        told_in, told = self.reader.seen[index]
        if told_in >= self.lost_life[index] and told > value:
            raise Failure("counter %d is %d, but a reader was told %d" % (index, value, told))

    def alive(self):
        for t in self.keepers + [self.reader]:
            if t.error:
                raise t.error

    def progress(self):
        """Everybody has compared its ledger with this server, and gone on behind that: what was lost with an earlier one, thousands
        of changes where there was no log, is not waited for."""
        before = {}

        def gone_on():
            self.alive()
            for k in self.keepers:
                if k.life == self.life:
                    before.setdefault(k.index, k.sent)
            return all(k.index in before and k.acked > before[k.index] for k in self.keepers)

        wait_for("everybody goes on", gone_on)

    # ---- the server ----

    def say(self, text):
        print("%7.2f %s" % (time.monotonic() - self.began, text), flush=True)

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def started(self):
        self.s.start() if self.life == 0 else self.s.again()
        self.life += 1
        self.policy, self.log_on = "always", True
        self.current = (self.life, self.s.port)

    def admin(self):
        return self.s.connect()

    def command(self, *argv):
        """Asked again when the worker or lane that had it was killed."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                c = self.admin()
                try:
                    answer = c.command(*argv)
                finally:
                    c.close()
                if answer.kind != "error" or not answer.value.startswith(b"ERR the process that ran"):
                    return answer
            except (OSError, resp.Closed):
                pass
            time.sleep(0.02)
        raise Failure("no answer to %r" % (argv,))

    def info(self, name):
        for line in self.command("INFO", "persistence").value.decode().splitlines():
            if line.startswith(name + ":"):
                return line.partition(":")[2]
        return None

    def config(self, *pairs):
        answer = self.command("CONFIG", "SET", *pairs)
        if answer.kind == "error":
            raise Failure("CONFIG SET %r: %r" % (pairs, answer.value))

    # ---- how much may be lost ----

    def loosen(self):
        for k in self.keepers:
            k.pin()

    def secure(self):
        """What is acknowledged now is on its way beyond all of our processes; the floor rises to it."""
        marks = [k.acked for k in self.keepers]
        position = int(self.info("wal_position"))
        name = "wal_durable_position" if self.policy == "always" else "wal_written_position"
        wait_for("the log comes so far", lambda: int(self.info(name)) >= position)
        for k, mark in zip(self.keepers, marks):
            k.unpin(None if self.policy == "always" else mark)

    def change_policy(self):
        policy = self.r.choice(("always", "everysec", "no"))
        self.say("appendfsync " + policy)
        if policy != "always":
            self.loosen()
        self.config("appendfsync", policy)
        self.policy = policy
        if self.log_on:
            self.secure()

    def switch_log(self):
        if self.log_on:
            self.say("appendonly no")
            self.loosen()
            self.log_on = False
            self.config("appendonly", "no")
        else:
            self.say("appendonly yes")
            self.config("appendonly", "yes")
            wait_for("the log is on", lambda: self.info("wal_state") == "on")
            self.log_on = True
            self.secure()

    # ---- disturbances ----

    def save(self):
        what = self.r.choice(("BGSAVE", "BGREWRITEAOF"))
        self.config("rdb-key-save-delay", self.r.choice(("0", "0", "500", "5000")))
        answer = self.command(what)
        self.say("%s: %s" % (what, answer.value.decode()[:60]))

    def kill_some(self):
        """One of them, or a few at once."""
        children = children_of(self.s.proc.pid)
        chosen = self.r.sample(sorted(children), min(len(children), self.r.choice((1, 1, 1, 2, 3))))
        snappers = [p for p, t in children.items() if "snapshotter" in t]
        if snappers and self.r.random() < 0.5:
            chosen = snappers + chosen[1:]
        self.say("killed: " + ", ".join(children[p] for p in chosen))
        for pid in chosen:
            self.count(children[pid].strip("\0 "))
            kill(pid)

    def all_there(self):
        titles = [t.strip("\0 ") for t in children_of(self.s.proc.pid).values()]
        wanted = ["skep: worker 0", "skep: worker 1", "skep: slow lane 0"] + ["skep: log writer"] * self.log_on
        return all(w in titles for w in wanted)

    def disturb(self):
        self.r.choice((self.save, self.save, self.kill_some, self.kill_some, self.kill_some, self.change_policy, self.switch_log))()
        time.sleep(self.r.choice((0, 0.01, 0.1, 0.4)))
        self.alive()

    # ---- the end of all processes, and another start ----

    def kill_all(self):
        """The master, or everybody, in any order; a clean end now and then."""
        how = self.r.choice(("master", "master", "everybody", "everybody", "clean end"))
        self.say("ending: %s (life %d, %s, log %s)" % (how, self.life, self.policy, "on" if self.log_on else "off"))
        self.count(how)
        self.current = None
        family = list(children_of(self.s.proc.pid)) + [self.s.proc.pid]
        if how == "clean end":
            self.s.end(signal.SIGTERM)
            if self.s.status != 0:
                raise Failure("exit code %r" % self.s.status)
            return
        if how == "everybody":
            self.r.shuffle(family)
            for pid in family:
                kill(pid)
        self.s.end(signal.SIGKILL, wait=False)
        if how == "everybody" or self.r.random() < 0.5:
            wait_for("all processes end", lambda: not any(exists(p) for p in family))

    def start_again(self):
        while self.r.random() < 0.25:
            self.say("killed while it starts")
            self.count("start")
            self.kill_starting(self.r.choice((0.0, 0.02, 0.05, 0.1, 0.2)))
        self.started()

    def kill_starting(self, after_s):
        ready, began = self.s._ready, time.monotonic()

        def too_early():
            if time.monotonic() - began > after_s:
                for pid in list(children_of(self.s.proc.pid)) + [self.s.proc.pid]:
                    kill(pid)
                self.s.proc.wait(WAIT_S)
            return False

        self.s._ready = too_early
        if self.s.try_start() == 0:
            raise Failure("it started though it was killed")
        self.s._ready, self.s.proc = ready, None

    def check_files(self):
        if os.path.exists(self.s.path("dump.rdb")):
            said = subprocess.run(["redis-check-rdb", self.s.path("dump.rdb")], capture_output=True, text=True)
            if said.returncode or "RDB looks OK" not in said.stdout:
                raise Failure("redis-check-rdb: " + said.stdout[-400:])

    # ---- the whole ----

    def run(self, seconds):
        for t in self.keepers + [self.reader]:
            t.start()
        self.progress()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(self.r.randrange(1, 8)):
                self.disturb()
            self.progress()
            if self.r.random() < 0.6:
                self.kill_all()
                self.check_files()
                self.start_again()
                self.progress()
            self.sound()
        self.finish()

    def sound(self):
        wait_for("all run", self.all_there)
        answer = self.command("DEBUG", "ARENA", "CHECK")
        if answer.kind == "error":
            raise Failure("DEBUG ARENA CHECK: " + answer.value.decode("latin-1"))

    def rest(self):
        for t in self.keepers + [self.reader]:
            t.stopping = True
        for t in self.keepers + [self.reader]:
            t.join(WAIT_S)
        self.alive()

    def finish(self):
        """Nothing is in flight any more: a last start must find exactly what was acknowledged."""
        if not self.log_on:
            self.switch_log()
        self.rest()
        self.policy != "always" and self.secure()
        self.s.end()
        if self.s.status != 0:
            raise Failure("exit code %r" % self.s.status)
        self.started()
        c = self.admin()
        for k in self.keepers:
            k.floor = None
            k.compare(c, self.life)
        check_arena(c)
        self.count("operations")
        self.done["operations"] = sum(k.acked for k in self.keepers)


def keep(world, seed):
    """Everything stops where it is, and the folder goes where nobody removes it."""
    if world.s.proc:
        for pid in list(children_of(world.s.proc.pid)) + [world.s.proc.pid]:
            kill(pid)
    kept = os.path.join(os.path.dirname(world.s.dir), "skep-torture-%d-%d" % (seed, os.getpid()))
    shutil.copytree(world.s.dir, kept)
    print("folder and log: " + kept)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", nargs="?", default=BINARY)
    p.add_argument("--minutes", type=float)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--clients", type=int, default=4)
    a = p.parse_args()
    seconds = a.minutes * 60 if a.minutes else a.seconds
    server.install_signal_handlers(int(seconds * 3 + 300))
    print("seed %d" % a.seed, flush=True)
    world = World(a.program, a.seed, a.clients)
    try:
        world.run(seconds)
    except (Failure, server.StartFailed, resp.Closed, resp.Timeout) as e:
        print("FAILED (seed %d): %s: %s" % (a.seed, type(e).__name__, e))
        keep(world, a.seed)
        return 1
    finally:
        world.s.stop()
    print("ok, seed %d: %s" % (a.seed, ", ".join("%s %d" % kv for kv in sorted(world.done.items()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
