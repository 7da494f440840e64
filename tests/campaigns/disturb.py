#!/usr/bin/env python3
"""Disturbs a host in a way that can be repeated, until it is ended.

    tests/campaigns/disturb.py [--cpu CPU] [--seed S] [--hog SHARE] [--no-stream]

A hog takes a share of the time of one CPU, in bursts; a stream of copies through memory
runs on another one, in bursts too. How long bursts and pauses are is drawn from the seed.
Run forktax with the same --cpu beside it, and see what it still says.
"""

import argparse
import os
import random
import time

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

    def copy(step=16 << 20):
        for at in range(0, STREAM_BYTES, step):
            target[at : at + step] = memoryview(source)[at : at + step]

    return copy


def begin(cpu, seed, share, work):
    if os.fork() == 0:
        os.sched_setaffinity(0, {cpu})
        bursts(work(), share, random.Random(seed))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", type=int, default=1, help="the CPU that is measured on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hog", type=float, default=0.3, help="its share of that CPU")
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
