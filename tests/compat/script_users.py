#!/usr/bin/env python3
"""Installs packages that live by Lua scripts from npm, and runs script_users.js with them against a private server.

    script_users.py --server 'build-test/skep --workers 2' --folder build-test/script_users

The folder keeps what npm installed: a second run needs no network. npm/package-lock.json says which versions, and what
their bytes hash to. The second part kills workers under a queue of bull; there a death is no failure, but the arena
must be sound, and no job may be lost.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import server  # noqa: E402

NAMES = ("package.json", "package-lock.json")
NPM = ["npm", "install", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def install(folder):
    wanted, done = os.path.join(HERE, "npm"), os.path.join(folder, "done")
    hashed = hashlib.sha256(b"".join(open(os.path.join(wanted, name), "rb").read() for name in NAMES)).hexdigest()
    if os.path.exists(done) and open(done).read() == hashed:
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in NAMES:
        shutil.copy(os.path.join(wanted, name), folder)
    try:
        # The network may be away for a moment: npm itself tries three times, and so do we once more.
        if subprocess.run(NPM, cwd=folder, check=False).returncode != 0:
            subprocess.run(NPM, cwd=folder, check=True)
    except FileNotFoundError:
        sys.exit("npm is missing: apt-get install npm")
    except subprocess.CalledProcessError as e:
        sys.exit("npm could not install what tests/compat/npm names: it ended with %d" % e.returncode)
    with open(done, "w") as f:
        f.write(hashed)


def run(command, folder, part):
    """Returns what is wrong, or None."""
    with server.Server(command) as srv:
        env = dict(os.environ, SKEP_PORT=str(srv.port), NODE_PATH=os.path.join(folder, "node_modules"))
        client = subprocess.Popen(["node", os.path.join(HERE, "script_users.js"), part], env=env)
        try:
            status = client.wait()
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
        if part == "killed":
            answer = srv.connect().command("DEBUG", "ARENA", "CHECK", timeout=30)
            illness = None if answer.kind != "error" else answer.value.decode("latin-1")
        else:
            illness = srv.health()
        if status != 0 or illness:
            return "%s\n--- the server's last lines ---\n%s" % (illness or "node ended with %d" % status, srv.log_tail())
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--server", required=True)
    ap.add_argument("--folder", required=True)
    opts = ap.parse_args()
    server.install_signal_handlers(280)
    folder = os.path.abspath(opts.folder)
    install(folder)
    for part in ("users", "killed"):
        wrong = run(opts.server, folder, part)
        if wrong:
            sys.exit("%s: %s" % (part, wrong))


if __name__ == "__main__":
    main()
