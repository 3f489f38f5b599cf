"""What regress and isolation share: a script is run against a private server, and what it shows is compared with
expected/NAME.out beside it, or written there.

A script is an object with
    config       further arguments of the server
    by_hand      redis-server cannot run it: its expectation is never generated
    outcome      what is said of it beside "ok"
    run(server)  its text
"""

import argparse
import difflib
import os
import sys

import server


class ScriptError(Exception):
    """A script that its runner does not understand."""


def read_text(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as f:
        return f.read()


def compare(name, got, path):
    wanted = read_text(path)
    if got != wanted:
        sys.stdout.writelines(
            difflib.unified_diff(
                wanted.splitlines(True), got.splitlines(True), "expected/%s.out" % name, "what the server answered"
            )
        )
    return got == wanted


def run_one(name, script, path, opts):
    if opts.generate and script.by_hand:
        print("%s: the expectation is derived by hand, nothing written" % name)
        return True
    with server.Server(opts.server, script.config) as srv:
        got = script.run(srv)
        illness = srv.health()
        tail = srv.log_tail()
    illness = illness or srv.bad_end
    if opts.print:
        sys.stdout.write(got)
        return True
    if opts.generate:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(got)
        print("%s: written" % name)
        return True
    good = compare(name, got, path)
    if illness:
        print(illness)
    if good and not illness:
        print("%s: ok%s" % (name, script.outcome))
        return True
    print("--- the server's last lines ---\n" + tail)
    print("%s: FAILED" % name)
    return False


def main(doc, here, folder, suffix, load):
    """Runs the scripts FOLDER/NAMEsuffix that are named, or all; load(path) makes a script of each."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--server", required=True, help="the program with its own arguments")
    ap.add_argument("--generate", action="store_true", help="write the expectation instead of comparing")
    ap.add_argument("--print", action="store_true", help="only show what the server answers")
    ap.add_argument("--limit", type=int, default=0, help="seconds for everything together; 0: none")
    ap.add_argument("names", nargs="*")
    opts = ap.parse_args()
    server.install_signal_handlers(opts.limit)
    folder = os.path.join(here, folder)
    names = opts.names or sorted(f[: -len(suffix)] for f in os.listdir(folder) if f.endswith(suffix))
    failed = []
    for name in names:
        try:
            script = load(os.path.join(folder, name + suffix))
            good = run_one(name, script, os.path.join(here, "expected", name + ".out"), opts)
        except (ScriptError, server.StartFailed, FileNotFoundError) as e:
            print("%s: FAILED: %s" % (name, e))
            good = False
        if not good:
            failed.append(name)
        sys.stdout.flush()
    if failed:
        sys.exit("failed: " + " ".join(failed))
