#!/usr/bin/env python3
"""Checks the habits of the house that a program can check. `style.py CHECK...` runs those named, else all.

    cards     every header of the rooms opens with a complete card
    includes  includes flow one way
    length    files up to 1200 lines, functions up to 100 (exceptions.txt gives reasons)
    format    clang-format has nothing to change (`style.py --fix` lets it)
    words     no words that put work off
    readmes   every room has its README
    directives  skep.conf names every directive that works; our own stand in README.md and the man page, too
    recorded  every script of regress and isolation has its expectation, and no expectation stands alone
"""

import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
CARD_ROOMS = ("include", "master", "worker", "shm", "persist")
CARD_KEYS = ("Owner", "Locks", "Crash", "Survives", "Fails", "Tests")
README_ROOMS = ("master", "worker", "shm", "persist", "include", "tests", "conf", "docker")
MAX_FILE, MAX_FUNCTION = 1200, 100

# What the files of a room may include.
MAY_SEE = {
    "include": ("include",),
    "shm": ("include", "shm"),
    "worker": ("include", "shm", "worker"),
    "persist": ("include", "shm", "persist"),
    "master": ("include", "shm", "master"),
}


def sources(suffixes=(".c", ".h", ".def")):
    for top in CARD_ROOMS + ("tests",):
        for folder, dirs, files in os.walk(os.path.join(ROOT, top)):
            dirs[:] = sorted(d for d in dirs if d not in ("node_modules", "__pycache__"))
            for f in sorted(files):
                if f.endswith(suffixes):
                    yield os.path.relpath(os.path.join(folder, f), ROOT)


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def exceptions():
    """Lines `KIND PATH[:FUNCTION] reason`, the reason being required."""
    found = {}
    for line in text("tests/style/exceptions.txt").splitlines():
        if line.strip() and not line.startswith("#"):
            words = line.split(None, 2)
            if len(words) < 3:
                sys.exit("tests/style/exceptions.txt: no reason: " + line)
            found[(words[0], words[1])] = words[2]
    return found


def check_cards():
    for path in sources((".h",)):
        if path.split("/")[0] not in CARD_ROOMS:
            continue
        head = re.match(r"/\*(.*?)\*/", text(path), re.S)
        if not head:
            yield "%s: no card" % path
            continue
        card = head.group(1)
        if not card.startswith(" %s - " % path):
            yield "%s: the card must open with `%s - what it is`" % (path, path)
        for key in CARD_KEYS:
            if not re.search(r"^ \* %s +\S" % key, card, re.M):
                yield "%s: the card has no %s" % (path, key)


def check_includes():
    for path in sources():
        room = path.split("/")[0]
        for number, line in enumerate(text(path).splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target = m.group(1)
            other = target.split("/")[0]
            if not os.path.exists(os.path.join(ROOT, target)):
                yield "%s:%d: includes start at the root of the repository: %s" % (path, number, target)
            elif room in MAY_SEE and other not in MAY_SEE[room]:
                yield "%s:%d: %s/ may not include %s" % (path, number, room, target)


def functions(path):
    """(name, first line, lines of the body): a body is what stands between a { and a } in the first column."""
    lines = text(path).splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 6) : start])
            names = re.findall(r"(\w+)\s*\(", re.sub(r".*[;}]", "", head))
            yield (names[0] if names else "?"), start + 1, i - start - 1
            start = None


def check_length():
    allowed = exceptions()
    for path in sources():
        n = text(path).count("\n")
        if n > MAX_FILE and ("file", path) not in allowed:
            yield "%s: %d lines, at most %d" % (path, n, MAX_FILE)
        for name, line, body in functions(path):
            if body > MAX_FUNCTION and ("function", path + ":" + name) not in allowed:
                yield "%s:%d: %s has %d lines, at most %d" % (path, line, name, body, MAX_FUNCTION)


def check_format():
    done = subprocess.run(
        ["clang-format", "--dry-run", "-Werror", *sources((".c", ".h"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    first = {}  # of each file
    for line in done.stderr.splitlines():
        if ": error: " in line:
            first.setdefault(line.partition(":")[0], line)
    if done.returncode and not first:
        first[""] = "clang-format failed: " + done.stderr
    for line in first.values():
        yield line + " (style.py --fix mends it)"


def check_words():
    # The words are put together here, so that this file does not find itself.
    words = re.compile(r"\b(?:%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
    for path in sources((".c", ".h", ".def", ".py", ".sh", ".cmake", ".txt")):
        for number, line in enumerate(text(path).splitlines(), 1):
            if words.search(line):
                yield "%s:%d: do it, or say why not: %s" % (path, number, line.strip())


def check_readmes():
    for room in README_ROOMS:
        if not os.path.exists(os.path.join(ROOT, room, "README.md")):
            yield "%s/README.md is missing" % room


def check_directives():
    table = text("include/directives.def")
    rows = re.findall(r'^DIR_\w+ *\(\w+, "([^"]+)",(.*), (WORKS|LATER|STOPS), "', table, re.M)
    works = {name for name, flags, status in rows if status == "WORKS" and "HID" not in flags}
    # `include` is no value: it has no row. Some stand there commented out, since to name them sets them.
    stands = set(re.findall(r"^(?:# )?([a-z][a-z0-9-]*) \S", text("conf/skep.conf"), re.M))
    active = set(re.findall(r"^([a-z][a-z0-9-]*) \S", text("conf/skep.conf"), re.M))
    for name in sorted(works - stands):
        yield "conf/skep.conf does not name %s" % name
    for name in sorted(active - works):
        yield "conf/skep.conf names %s, which has no effect" % name
    ours = re.search(r"/\* Ours \*/\n(.*?)\n\n", table, re.S).group(1)
    for name in re.findall(r'^DIR_\w+ *\(\w+, "([^"]+)"', ours, re.M):
        if "`%s`" % name not in text("README.md"):
            yield "README.md does not name our directive %s" % name
        if name not in text("conf/skep.1").replace("\\-", "-"):
            yield "conf/skep.1 does not name our directive %s" % name


def check_recorded():
    for folder, scripts, suffix in (("regress", "sql", ".cmd"), ("isolation", "specs", ".spec")):
        base = os.path.join(ROOT, "tests", folder)
        have = {f[: -len(suffix)] for f in os.listdir(os.path.join(base, scripts)) if f.endswith(suffix)}
        want = {f[:-4] for f in os.listdir(os.path.join(base, "expected")) if f.endswith(".out")}
        for name in sorted(have ^ want):
            yield "tests/%s: %s has %s" % (folder, name, "no expectation" if name in have else "no script")


CHECKS = {name[6:]: f for name, f in list(globals().items()) if name.startswith("check_")}


def main():
    if "--fix" in sys.argv[1:]:
        subprocess.run(["clang-format", "-i", *sources((".c", ".h"))], cwd=ROOT, check=True)
        return
    faults = [fault for name in sys.argv[1:] or CHECKS for fault in CHECKS[name]()]
    for fault in faults:
        print(fault)
    if faults:
        sys.exit("%d faults of style" % len(faults))


if __name__ == "__main__":
    main()
