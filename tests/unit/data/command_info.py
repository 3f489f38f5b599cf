"""Asks a redis-server what it knows of its commands, and prints a line for each; test_command.c compares our rows.

    redis-server --port 7000 --save '' &
    python3 tests/unit/data/command_info.py 7000 > tests/unit/data/command_info.txt

The expectation in the tree is redis-server 7.0.15's. Only facts are kept (names, numbers, flags, the argument trees),
none of its texts. Fields, separated by tabs:

    name  group  arity  flags  first,last,step  categories  tips  keys  since  doc_flags  deprecated_since
    versions-in-history  arguments

A key specification is written first,last,step:flags, or index-of-the-number,counted:flags, or KEYWORD@from:flags. An argument is name:type, then =TOKEN, @since, ~deprecated,
? optional, + multiple, * multiple token, #key specification, {members}.
"""
import socket
import sys

GROUPS = (
    "string",
    "generic",
    "connection",
    "server",
    "hash",
    "list",
    "set",
    "sorted-set",
    "geo",
    "transactions",
    "bitmap",
    "hyperloglog",
    "pubsub",
    "scripting",
)


class Server:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        parts = [b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(parts))
        return self.read()

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        if kind in b"*~":
            return [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return dict((self.read(), self.read()) for _ in range(int(rest)))
        raise RuntimeError(line)


def argument(arg):
    flags = arg.get("flags", [])
    text = arg["name"] + ":" + arg["type"]
    text += "=" + arg["token"] if "token" in arg else ""
    text += "@" + arg["since"] if "since" in arg else ""
    text += "~" + arg["deprecated_since"] if "deprecated_since" in arg else ""
    for flag, sign in (("optional", "?"), ("multiple", "+"), ("multiple_token", "*")):
        text += sign if flag in flags else ""
    text += "#%d" % arg["key_spec_index"] if "key_spec_index" in arg else ""
    return text + ("{%s}" % arguments(arg["arguments"]) if "arguments" in arg else "")


def arguments(args):
    return " ".join(argument(a) for a in args)


def key_spec(spec):
    begin, find = spec["begin_search"], spec["find_keys"]
    if begin["type"] == "keyword":
        numbers = "%s@%d" % (begin["spec"]["keyword"], begin["spec"]["startfrom"])
    elif begin["type"] == "unknown":
        numbers = "unknown"
    elif find["type"] == "keynum":
        numbers = "%d,counted" % begin["spec"]["index"]
    else:
        numbers = "%d,%d,%d" % (begin["spec"]["index"], find["spec"]["lastkey"], find["spec"]["keystep"])
    return numbers + ":" + ",".join(sorted(spec["flags"]))


def line(info, docs):
    return "\t".join([
        info[0], docs["group"], str(info[1]), ",".join(sorted(info[2])), "%d,%d,%d" % tuple(info[3:6]),
        ",".join(sorted(info[6])), ",".join(info[7]), ";".join(key_spec(k) for k in info[8]), docs["since"],
        ",".join(docs.get("doc_flags", [])), docs.get("deprecated_since", ""),
        ",".join(h[0] for h in docs.get("history", [])), arguments(docs.get("arguments", []))])


def main():
    server = Server(int(sys.argv[1]))
    server.ask("HELLO", "3")
    infos = {i[0]: i for i in server.ask("COMMAND")}
    lines = []
    for name, docs in server.ask("COMMAND", "DOCS").items():
        if docs["group"] not in GROUPS:
            continue
        lines.append(line(infos[name], docs))
        subs = {i[0]: i for i in infos[name][9]}
        for sub, sub_docs in docs.get("subcommands", {}).items():
            lines.append(line(subs[sub], sub_docs))
    print("\n".join(sorted(lines)))


main()
