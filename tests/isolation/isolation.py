#!/usr/bin/env python3
"""Interleaves the steps of several sessions and compares every outcome with an expectation.

    isolation.py --server 'build/skep --workers 2' [NAME ...]
    isolation.py --server redis-server --generate NAME      writes expected/NAME.out

A specification is specs/NAME.spec:

    # comment
    config --directive value       a further argument of the server
    setup                          commands run by a connection apart, before each permutation
      SET k 1
    session a                      a connection of its own, new for each permutation
      step a1: GET k
    session b resp3                the same in RESP3; what is pushed is shown before the answer
      step b1: SET k 2
    check                          commands run by the connection apart, after each permutation
      GET k
    permutation a1 b1              steps in this order
    permutation all                every interleaving that keeps the order within each session

In a permutation `step?` must not be answered yet (the session is blocked), and `step!` later says that its answer must come
now. %{NAME.id} is the client id of session NAME. Before each permutation all databases are flushed.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import expected  # noqa: E402
import resp  # noqa: E402
from expected import ScriptError  # noqa: E402

BLOCKED_S = 0.3  # so long a blocked session must stay silent


class Spec:
    by_hand = False

    def __init__(self, path):
        self.config, self.setup, self.check = [], [], []
        self.sessions, self.steps, self.permutations = {}, {}, []
        self.resp3 = set()
        where = None
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                line = line.strip()
                word, _, rest = line.partition(" ")
                if not line or word.startswith("#"):
                    continue
                if word == "config":
                    self.config += [a.decode() for a in resp.split_args(rest)]
                elif line in ("setup", "check"):
                    where = line
                elif word == "session":
                    where, _, protocol = rest.partition(" ")
                    self.sessions[where] = []
                    self.resp3 |= {where} if protocol == "resp3" else set()
                elif word == "step":
                    name, _, command = rest.partition(":")
                    self.sessions[where].append(name)
                    self.steps[name] = (where, command.strip())
                elif word == "permutation":
                    self.permutations += self.interleavings() if rest == "all" else [rest.split()]
                elif where in ("setup", "check"):
                    getattr(self, where).append(line)
                else:
                    raise ScriptError("%s:%d: not understood: %s" % (path, number, line))
        for p in self.permutations:
            for s in p:
                if s.rstrip("?!") not in self.steps:
                    raise ScriptError("%s: no step %s" % (path, s))
        self.outcome = ", %d permutations" % len(self.permutations)

    def run(self, srv):
        return Run(self, srv).all()

    def interleavings(self):
        def weave(lists):
            lists = [x for x in lists if x]
            if not lists:
                return [[]]
            return [[x[0]] + tail for x in lists for tail in weave([y[1:] if y is x else y for y in lists])]

        return weave(list(self.sessions.values()))


class Run:
    def __init__(self, spec, srv):
        self.spec = spec
        self.srv = srv
        self.out = []

    def apart(self, conn, commands):
        for line in commands:
            conn.send(resp.split_args(line))
            self.out.append("check %s -> %s" % (line, "\n    ".join(resp.show(conn.read()))))

    def answer(self, conn):
        try:
            lines, r = [], conn.read()
            while r.kind == "push":
                lines += ["(push) " + line for line in resp.show(r)]
                r = conn.read()
            return "\n    ".join(lines + resp.show(r))
        except resp.Closed:
            return "(closed)"
        except resp.Timeout:
            return "(no reply)"

    def step(self, conns, ids, token):
        name = token.rstrip("?!")
        session, command = self.spec.steps[name]
        conn = conns[session]
        if token.endswith("!"):
            self.out.append("step %s: ... -> %s" % (name, self.answer(conn)))
            return
        argv = [
            re.sub(rb"%\{(\w+)\.id\}", lambda m: ids[m.group(1).decode()], a) for a in resp.split_args(command)
        ]
        try:
            conn.send(argv)
        except resp.Closed:
            pass  # reading says so
        if token.endswith("?"):
            # Who waits for a key is seen to; others are only not answered.
            blocked = self.srv.is_blocked(conn) if command.startswith("B") else conn.quiet_for(BLOCKED_S)
            state = "(blocked)" if blocked else "NOT BLOCKED: " + self.answer(conn)
        else:
            state = self.answer(conn)
        self.out.append("step %s: %s -> %s" % (name, command, state))

    def permutation(self, order):
        self.out.append("permutation " + " ".join(order))
        conns = {}
        apart = self.srv.connect()
        try:
            apart.command("FLUSHALL")
            for line in self.spec.setup:
                apart.send(resp.split_args(line))
                reply = apart.read()
                if reply.kind == "error":
                    self.out.append("setup %s -> %s" % (line, resp.show(reply)[0]))
            for name in self.spec.sessions:
                conns[name] = self.srv.connect()
                if name in self.spec.resp3:
                    conns[name].command("HELLO", "3")
            ids = {name: c.command("CLIENT", "ID").value for name, c in conns.items()}
            for token in order:
                self.step(conns, ids, token)
            self.apart(apart, self.spec.check)
        finally:
            for c in list(conns.values()) + [apart]:
                c.close()
        self.out.append("")

    def all(self):
        for order in self.spec.permutations:
            self.permutation(order)
        return "\n".join(self.out) + "\n"


if __name__ == "__main__":
    expected.main(__doc__, HERE, "specs", ".spec", Spec)
