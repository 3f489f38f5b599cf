#!/usr/bin/env python3
"""Installs what package.json here names, at the versions and checksums of package-lock.json, into a folder of the build.

    install.py FOLDER

What is there already is left alone. Programs of packages are not run. Where npm or what it fetches from is missing, this fails
with words: a silent pass would hide that nothing was tried.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 240
NPM_CI = ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--no-update-notifier"]
BOUNDS = ["--loglevel=error", "--fetch-retries=2", "--fetch-retry-maxtimeout=10000", "--fetch-timeout=60000"]


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return None


def install(folder):
    """What went wrong, in words, or None."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), folder)
    try:
        done = subprocess.run(
            NPM_CI + BOUNDS, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S
        )
    except FileNotFoundError:
        return "npm is missing: apt-get install npm"
    except subprocess.TimeoutExpired:
        return "npm ci did not end in %d s: can npm reach its packages (npm ping)?" % LIMIT_S
    if done.returncode != 0:
        words = "npm ci failed with %d: can npm reach its packages (npm ping)? It said:\n%s"
        return words % (done.returncode, done.stderr + done.stdout)
    return None


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    if shutil.which("node") is None:
        sys.exit("install: node is missing: apt-get install nodejs")
    # The lock file names every byte of what is installed; its copy is put there last, so it stands for a finished work.
    stamp = os.path.join(folder, "installed.json")
    wanted = read(os.path.join(HERE, "package-lock.json"))
    if read(stamp) == wanted:
        print("already installed in", folder)
        return
    if os.path.exists(stamp):
        os.remove(stamp)
    problem = install(folder)
    if problem:
        sys.exit("install: nothing that needs npm's packages was tested.\n" + problem)
    with open(stamp, "w", encoding="utf-8") as f:
        f.write(wanted)
    print("installed in", folder)


if __name__ == "__main__":
    main()
