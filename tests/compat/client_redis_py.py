"""Everyday use of redis-py (Debian's python3-redis): what a program does with strings, keys and connections."""

import datetime
import os
import threading
import time

try:
    import redis
except ImportError:
    raise SystemExit("client_redis_py: python3-redis is missing: apt-get install python3-redis") from None

PORT = int(os.environ["SKEP_PORT"])


def client(**kw):
    return redis.Redis(port=PORT, socket_timeout=60, **kw)


def raises(fragment, call, *args, **kw):
    try:
        call(*args, **kw)
    except redis.RedisError as e:
        assert fragment in str(e), (fragment, str(e))
        return
    raise AssertionError("no error: " + fragment)


def strings(r):
    assert r.set("k", "v") is True and r.get("k") == b"v" and r.get("nosuch") is None
    assert r.set("k", "w", nx=True) is None and r.set("k", "w", xx=True) is True
    assert r.set("k", "x", get=True) == b"w"
    assert r.set("e", "v", ex=100) and 80 <= r.ttl("e") <= 100
    assert r.set("e", "v", px=datetime.timedelta(seconds=50)) and 40000 < r.pttl("e") <= 50000
    assert r.set("e", "w", keepttl=True) and r.ttl("e") > 20
    assert r.getex("e", persist=True) == b"w" and r.ttl("e") == -1
    assert r.incr("n") == 1 and r.incr("n", 10) == 11 and r.decr("n", 3) == 8
    assert r.incrbyfloat("f", 1.5) == 1.5
    raises("not an integer", r.incr, "k")
    assert r.append("k", "yz") == 3 and r.strlen("k") == 3 and r.getrange("k", 1, -1) == b"yz"
    assert r.setrange("k", 1, "--") == 3 and r.get("k") == b"x--"
    assert r.mset({"a": 1, "b": 2}) and r.mget("a", "b", "nosuch") == [b"1", b"2", None]
    assert r.msetnx({"a": 1, "z": 2}) is False and r.exists("z") == 0
    assert r.getset("a", "new") == b"1" and r.getdel("a") == b"new" and r.get("a") is None
    binary = bytes(range(256)) * 300
    assert r.set("bin", binary) and r.get("bin") == binary
    big = os.urandom(3 << 20)
    assert r.set("big", big) and r.get("big") == big
    r["item"] = "v"
    assert r["item"] == b"v" and "item" in r
    del r["item"]
    assert "item" not in r


def keys(r):
    r.flushdb()
    assert r.dbsize() == 0
    r.mset({"key:%d" % i: i for i in range(500)})
    assert len(r.keys("key:*")) == 500
    assert sorted(r.scan_iter("key:1?")) == sorted(b"key:1%d" % i for i in range(10))
    assert len(set(r.scan_iter(count=50))) == 500
    assert r.delete("key:1", "key:2", "nosuch") == 2 and r.unlink("key:3") == 1
    assert r.rename("key:4", "moved") and r.renamenx("moved", "key:5") is False
    raises("no such key", r.rename, "nosuch", "x")
    assert r.type("moved") == b"string" and r.type("nosuch") == b"none"
    assert r.copy("moved", "copied") and r.get("copied") == b"4"
    assert r.expire("moved", 100) and r.expire("moved", 50, nx=True) is False
    assert r.persist("moved") and r.ttl("moved") == -1
    assert r.expireat("moved", int(time.time()) + 100) and r.expiretime("moved") > time.time()
    assert r.touch("moved", "nosuch") == 1 and r.randomkey() is not None
    assert r.object("encoding", "moved") in (b"int", "int")
    assert r.move("moved", 3)
    assert client(db=3).get("moved") == b"4"
    assert r.swapdb(0, 3) and r.get("moved") == b"4" and r.swapdb(0, 3)
    r.set("short", "v", px=30)
    end = time.time() + 60
    while r.get("short") is not None and time.time() < end:
        time.sleep(0.01)
    assert r.get("short") is None


def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(5000):
            p.set("p%d" % i, i)
        for i in range(5000):
            p.get("p%d" % i)
        answers = p.execute()
    assert answers[:5000] == [True] * 5000 and answers[5000:] == [b"%d" % i for i in range(5000)]
    with r.pipeline(transaction=False) as p:
        p.set("s", "text").incr("s").get("s")
        ok, error, value = p.execute(raise_on_error=False)
    assert ok is True and isinstance(error, redis.ResponseError) and value == b"text"


def connections(r):
    assert r.ping() and r.echo("hi") == b"hi"
    named = client(client_name="compat", single_connection_client=True)
    assert named.client_getname() in (b"compat", "compat") and named.client_id() > 0
    listed = [c for c in r.client_list() if c["name"] == "compat"]
    assert len(listed) == 1 and listed[0]["id"] == str(named.client_id())
    assert r.client_kill_filter(_id=named.client_id()) == 1
    decoded = client(decode_responses=True)
    assert decoded.set("u", "käse") and decoded.get("u") == "käse"
    url = redis.from_url("redis://127.0.0.1:%d/5" % PORT)
    assert url.set("in5", 1) and client(db=5).get("in5") == b"1"
    raises("DB index is out of range", client(db=99).ping)
    raises("called without any password", client(password="wrong").ping)


def servers(r):
    info = r.info()
    assert info["redis_version"].startswith("7.") and info["tcp_port"] == PORT
    assert r.info("keyspace").get("db0", {}).get("keys", 0) > 0
    assert r.config_get("databases") == {"databases": "16"}
    assert r.config_set("maxmemory-samples", 7) and r.config_get("maxmemory-samples")["maxmemory-samples"] == "7"
    assert abs(r.time()[0] - time.time()) < 60
    assert r.command_count() > 50 and "get" in r.command()
    assert r.command_getkeys("MSET", "a", 1, "b", 2) in ([b"a", b"b"], ["a", "b"])
    assert r.slowlog_len() >= 0 and isinstance(r.slowlog_get(5), list)
    assert r.set("bin", "x" * 5000) and r.memory_usage("bin") > 1000
    assert r.flushall()


def threads():
    """Eight threads count together through a pool: nothing is lost between the workers."""
    pool = client()

    def count():
        for _ in range(500):
            pool.incr("together")

    ts = [threading.Thread(target=count) for _ in range(8)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert pool.get("together") == b"4000"


def main():
    r = client()
    for part in (strings, keys, pipelines, connections, servers):
        part(r)
        print("redis-py", redis.__version__, part.__name__, "ok")
    threads()
    print("redis-py threads ok")


main()
