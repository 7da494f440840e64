#!/usr/bin/env python3
"""Disturbs a host in a way that can be repeated, until it is ended.

    tests/campaigns/disturb.py [--cpu CPU] [--seed S] [--hog SHARE] [--no-stream]

A hog takes a share of the time of one CPU, in bursts; a stream of copies through memory
runs on another one, in bursts too. How long bursts and pauses are is drawn from the seed.
Run forktax with the same --cpu beside it, and see what it still says.
"""

import argparse
import ctypes
import os
import random
import signal
import time

PR_SET_PDEATHSIG = 1
# Far more than any cache holds.
STREAM_BYTES = 256 << 20
# What a burst takes in the mean.
BURST_SECONDS = 0.3


def bursts(work, share, luck):
    """Works for this share of the time."""
    while True:
        end = time.monotonic() + luck.expovariate(1 / BURST_SECONDS)
        while time.monotonic() < end:
            work()
        time.sleep(luck.expovariate(share / (BURST_SECONDS * (1 - share))))


def count():
    for _ in range(20_000):
        pass


def stream():
    source, target = bytearray(STREAM_BYTES), bytearray(STREAM_BYTES)
    step = 16 << 20
    place = 0

    def copy():
        nonlocal place
        target[place : place + step] = memoryview(source)[place : place + step]
        place = (place + step) % STREAM_BYTES

    return copy


def begin(cpu, seed, share, work):
    parent = os.getpid()
    if os.fork() == 0:
        # What disturbs ends with this process, however that ends.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.sched_setaffinity(0, {cpu})
            bursts(work(), share, random.Random(seed))
        os._exit(1)


def part(text):
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError("a share is at least 0 and below 1")
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", type=int, default=1, help="the CPU that is measured on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hog", type=part, default=0.3, help="its share of that CPU")
    parser.add_argument("--no-stream", action="store_true")
    given = parser.parse_args()
    others = sorted(os.sched_getaffinity(0) - {given.cpu})
    if given.hog > 0:
        begin(given.cpu, given.seed, given.hog, lambda: count)
    if others and not given.no_stream:
        begin(others[-1], given.seed + 1, 0.5, stream)
    try:
        os.wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
