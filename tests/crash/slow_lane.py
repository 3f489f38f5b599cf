#!/usr/bin/env python3
"""The slow lane and the workers' talk with it under bad luck: crowds, readers that do not read, deaths in the middle of a reply."""

import os
import signal
import sys
import threading
import time

from crowd import Failure, Watch, all_running, check_arena, children_of, main, wait_for, workers_of
import resp
import server


def crowded(start):
    """After many wake-ups at once nobody is left who believes that the lane had been woken."""
    with start("--workers", "2") as s:
        end = time.monotonic() + 6

        def ask():
            c = s.connect()
            while time.monotonic() < end:
                for _ in range(4):
                    c.send([b"KEYS", b"x"])
                for _ in range(4):
                    c.read(10)

        askers = [threading.Thread(target=ask) for _ in range(12)]
        for t in askers:
            t.start()
        for t in askers:
            t.join()
        c = s.connect()
        took = []
        for _ in range(21):
            began = time.monotonic()
            c.command("KEYS", "x")
            took.append(time.monotonic() - began)
        typical = sorted(took)[10]
        if typical > 0.05:  # what is found by the tick alone takes 0.1 or 0.2 s
            raise Failure("a lone KEYS takes %.0f ms: its wake-up is lost" % (typical * 1000))
        check_arena(c)


if __name__ == "__main__":
    sys.exit(main({"crowded": crowded}, server.Server))
