"""The encodings that Redis 2.8 to 7.2 wrote collections in, as payloads for RESTORE: made here, since no server writes them all."""

import struct

LIST, SET, ZSET, HASH, ZSET_2 = 1, 2, 3, 4, 5
HASH_ZIPMAP, LIST_ZIPLIST, SET_INTSET, ZSET_ZIPLIST, HASH_ZIPLIST = 9, 10, 11, 12, 13
LIST_QUICKLIST, HASH_LISTPACK, ZSET_LISTPACK, LIST_QUICKLIST_2, SET_LISTPACK = 14, 16, 17, 18, 20


def _table():
    poly, out = 0x95AC9329AC4BC9B5, []
    for i in range(256):
        c = i
        for _ in range(8):
            c = c >> 1 ^ (poly if c & 1 else 0)
        out.append(c)
    return out


_CRC = _table()


def crc64(data):
    c = 0
    for b in data:
        c = _CRC[(c ^ b) & 255] ^ c >> 8
    return c


def payload(kind, body, version=9):
    data = bytes([kind]) + body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def length(n):
    if n < 64:
        return bytes([n])
    if n < 16384:
        return bytes([0x40 | n >> 8, n & 255])
    return b"\x80" + struct.pack(">I", n)


def string(b):
    return length(len(b)) + b


def _integer(item, most=64):
    try:
        v = int(item)
    except ValueError:
        return None
    return v if b"%d" % v == item and -(2 ** (most - 1)) <= v < 2 ** (most - 1) else None


def _signed(v, size):
    return v.to_bytes(size, "little", signed=True)


# ---- blobs ----


def _ziplist_item(item):
    v = _integer(item)
    if v is None:
        n = len(item)
        head = bytes([n]) if n < 64 else bytes([0x40 | n >> 8, n & 255]) if n < 16384 else b"\x80" + struct.pack(">I", n)
        return head + item
    if 0 <= v <= 12:
        return bytes([0xF1 + v])
    for mark, size in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(2 ** (8 * size - 1)) <= v < 2 ** (8 * size - 1):
            return bytes([mark]) + _signed(v, size)
    raise AssertionError(v)


def ziplist(items, told=None):
    out, before, last = b"", 0, 10
    for item in items:
        last = 10 + len(out)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + _ziplist_item(item)
        before = len(entry)
        out += entry
    n = min(len(items), 65535) if told is None else told
    return struct.pack("<IIH", 10 + len(out) + 1, last, n) + out + b"\xff"


def _listpack_item(item):
    v = _integer(item)
    if v is None:
        n = len(item)
        head = bytes([0x80 | n]) if n < 64 else bytes([0xE0 | n >> 8, n & 255]) if n < 4096 else b"\xf0" + struct.pack("<I", n)
        return head + item
    if 0 <= v <= 127:
        return bytes([v])
    if -4096 <= v <= 4095:
        return bytes([0xC0 | (v & 8191) >> 8, v & 255])
    for mark, size in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
        if -(2 ** (8 * size - 1)) <= v < 2 ** (8 * size - 1):
            return bytes([mark]) + _signed(v, size)
    raise AssertionError(v)


def _back(n):
    size = 1 if n <= 127 else 2 if n < 16383 else 3 if n < 2097151 else 4
    return bytes((n >> 7 * (size - 1 - i) & 127) | (128 if i else 0) for i in range(size))


def listpack(items, told=None):
    out = b""
    for item in items:
        entry = _listpack_item(item)
        out += entry + _back(len(entry))
    n = min(len(items), 65535) if told is None else told
    return struct.pack("<IH", 6 + len(out) + 1, n) + out + b"\xff"


def intset(numbers):
    most = max([abs(v) if v >= 0 else abs(v) - 1 for v in numbers] + [0])
    size = 2 if most < 2**15 else 4 if most < 2**31 else 8
    return struct.pack("<II", size, len(numbers)) + b"".join(_signed(v, size) for v in sorted(numbers))


def zipmap(pairs):
    def counted(b):
        return bytes([len(b)]) if len(b) < 254 else b"\xfe" + struct.pack("<I", len(b))

    out = bytes([min(len(pairs), 254)])
    for i, (field, value) in enumerate(pairs):
        spare = i % 4
        out += counted(field) + field + counted(value) + bytes([spare]) + value + b"?" * spare
    return out + b"\xff"


def score_text(v):
    if v in (float("inf"), float("-inf")):
        return b"\xfe" if v > 0 else b"\xff"
    text = b"%.17g" % v
    return bytes([len(text)]) + text


def score_item(v):
    return b"%d" % v if abs(v) < 2**52 and v == int(v) else b"%.17g" % v


# ---- values ----


def flat(pairs):
    return [x for pair in pairs for x in pair]


def lists(items):
    """Each form of a list of these items, by name."""
    half = len(items) // 2
    nodes = [part for part in (items[:half], items[half:]) if part]
    yield "linked list", LIST, length(len(items)) + b"".join(map(string, items))
    yield "ziplist", LIST_ZIPLIST, string(ziplist(items))
    yield "quicklist", LIST_QUICKLIST, length(len(nodes)) + b"".join(string(ziplist(n)) for n in nodes)
    body = b"".join(length(2) + string(listpack(n)) for n in nodes)
    yield "quicklist 2", LIST_QUICKLIST_2, length(len(nodes)) + body
    long = [i for i in items if i]  # none of them is empty
    yield "plain nodes", LIST_QUICKLIST_2, length(len(long)) + b"".join(length(1) + string(i) for i in long)


def sets(members):
    yield "set", SET, length(len(members)) + b"".join(map(string, members))
    if all(_integer(m) is not None for m in members):
        yield "intset", SET_INTSET, string(intset([int(m) for m in members]))


def hashes(pairs):
    yield "hash", HASH, length(len(pairs)) + b"".join(map(string, flat(pairs)))
    yield "zipmap", HASH_ZIPMAP, string(zipmap(pairs))
    yield "ziplist", HASH_ZIPLIST, string(ziplist(flat(pairs)))
    yield "listpack", HASH_LISTPACK, string(listpack(flat(pairs)))


def zsets(pairs):
    """Pairs (member, score), in their order."""
    texts = flat([(m, score_item(s) if abs(s) != float("inf") else b"inf" if s > 0 else b"-inf") for m, s in pairs])
    yield "text scores", ZSET, length(len(pairs)) + b"".join(string(m) + score_text(s) for m, s in pairs)
    yield "doubles", ZSET_2, length(len(pairs)) + b"".join(string(m) + struct.pack("<d", s) for m, s in pairs)
    yield "ziplist", ZSET_ZIPLIST, string(ziplist(texts))
    yield "listpack", ZSET_LISTPACK, string(listpack(texts))
