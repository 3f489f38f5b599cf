#!/usr/bin/env python3
"""Scripts on redis-server, by EVAL, and on ours, compared.

    lua_both.py --tool build-test/tests/lua_run            the script state by itself
    lua_both.py --server 'build-test/skep --workers 2'     the whole server

The corpus is lua_corpus/*.txt: one script a line; a line that begins with `=` is a list of expressions; a block between
`<<<` and `>>>` is one script of several lines. Every script can call S(...), which shows values with their types, keys
sorted, numbers with 17 digits, and E(f, ...), which shows what a protected call of f gives. What differs from
redis-server on purpose stands in a line below the script:

    # ours: TEXT      what ours answers (\\n in it is a newline)
"""

import argparse
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import server  # noqa: E402

# In one line, so that the script's own lines keep their numbers.
PRELUDE = " ".join(
    """
local S, E do
  local format, sort, tostring, type, pairs, select, concat, gsub, pcall =
      string.format, table.sort, tostring, type, pairs, select, table.concat, string.gsub, pcall
  local function one(v, depth)
    local t = type(v)
    if t == 'number' then return (v ~= v) and 'nan' or format('%.17g', v) end
    if t == 'string' then return format('%q', v) end
    if t ~= 'table' then return (gsub(tostring(v), ': 0?x?%x+$', '')) end
    if depth > 6 then return '...' end
    local parts = {}
    for k, x in pairs(v) do parts[#parts + 1] = one(k, depth + 1) .. '=' .. one(x, depth + 1) end
    sort(parts)
    return '{' .. concat(parts, ', ') .. '}'
  end
  S = function(...)
    local parts = {}
    for i = 1, select('#', ...) do parts[i] = one((select(i, ...)), 0) end
    return concat(parts, ' | ')
  end
  E = function(f, ...) return S(pcall(f, ...)) end
end
""".split()
)


def read_corpus(paths):
    """Yields (place, script, what ours answers or None)."""
    for path in paths:
        block, begun, last = None, 0, None
        for number, line in enumerate(open(path, encoding="latin-1", newline="\n").read().split("\n"), 1):
            if block is not None:
                if line == ">>>":
                    last, block = (begun, "\n".join(block)), None
                else:
                    block.append(line)
                continue
            if line.startswith("# ours: "):
                yield "%s:%d" % (os.path.basename(path), last[0]), last[1], line[8:]
                last = None
                continue
            if last:
                yield "%s:%d" % (os.path.basename(path), last[0]), last[1], None
                last = None
            if line == "<<<":
                block, begun = [], number
            elif line.startswith("="):
                last = (number, "return " + line[1:] if line.startswith("=E(") else "return S(" + line[1:] + ")")
            elif line and not line.startswith("# "):
                last = (number, line)
        if last:
            yield "%s:%d" % (os.path.basename(path), last[0]), last[1], None


def cleaned(text):
    """Without what names the script and the run."""
    text = re.sub(r" script: [0-9a-f]{40}, on @user_script:\d+\.$", "", text)
    text = re.sub(r"^ERR (Error compiling script \(new function\): )?", "", text)
    text = re.sub(r"\b(table|function|thread|userdata): (builtin: )?0?x?[0-9a-f]+\b", r"\1: ADDRESS", text)
    return text.replace("\r", " ").replace("\n", " ")


def ask_server(connection, script):
    reply = connection.command("EVAL", script.encode("latin-1"), "0")
    kind = "error" if reply.kind == "error" else "ok"
    text = reply.value if isinstance(reply.value, bytes) else repr(reply.value).encode()
    return kind + " " + cleaned(text.decode("latin-1"))


class Tool:
    def __init__(self, path):
        self.proc = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, script):
        body = script.encode("latin-1")
        self.proc.stdin.write(b"%d\n" % len(body) + body)
        self.proc.stdin.flush()
        head = self.proc.stdout.readline().split()
        if len(head) != 2:
            return "lua_run ended with %s" % self.proc.wait()
        return head[0].decode() + " " + cleaned(self.proc.stdout.read(int(head[1])).decode("latin-1"))

    def close(self):
        self.proc.stdin.close()
        return self.proc.wait()


def compare(corpus, redis, ours):
    wrong = 0
    for place, script, expected in corpus:
        theirs = ask_server(redis, PRELUDE + " " + script)
        mine = ours(PRELUDE + " " + script)
        wanted = expected if expected is not None else theirs
        if mine != wanted:
            wrong += 1
            print("%s: %s\n  redis: %s\n  ours:  %s" % (place, script, theirs, mine))
            if expected is not None:
                print("  noted: %s" % expected)
        elif expected is not None and theirs == expected:
            wrong += 1
            print("%s: the note says nothing: %s" % (place, script))
    return wrong


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--tool")
    ap.add_argument("--server")
    ap.add_argument("corpus", nargs="*")
    opts = ap.parse_args()
    server.install_signal_handlers()
    corpus = list(read_corpus(opts.corpus or sorted(glob.glob(os.path.join(HERE, "lua_corpus", "*.txt")))))
    illness = None
    with server.Server("redis-server") as theirs:
        if opts.server:
            with server.Server(opts.server) as srv:
                connection = srv.connect()
                wrong = compare(corpus, theirs.connect(), lambda script: ask_server(connection, script))
                illness = srv.health()
        else:
            tool = Tool(opts.tool)
            wrong = compare(corpus, theirs.connect(), tool.ask)
            status = tool.close()
            illness = status and "lua_run ended with %d" % status
    if wrong or illness or not corpus:
        print("%d of %d scripts differ; %s" % (wrong, len(corpus), illness or ""))
        sys.exit(1)


if __name__ == "__main__":
    main()
