"""Units that wait: paced, of random length, in turn, with Python code between, holding the GIL."""

import asyncio
import ctypes
import fcntl
import random
import socket
import tempfile
import time
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "nalsil-bench-lock"
usleep_with_gil = ctypes.PyDLL(None).usleep


def paced(item):
    time.sleep(0.01)
    return item


async def apaced(item):
    await asyncio.sleep(0.01)
    return item


def length(item):
    return random.Random(item).uniform(0.001, 0.04)


def of_random_length(item):
    time.sleep(length(item))
    return item


async def aof_random_length(item):
    await asyncio.sleep(length(item))
    return item


def compute(turns):
    """About a millisecond of Python code for every eight turns."""
    return [sum(range(10_000)) for _ in range(turns)]


def mixed(item):
    time.sleep(0.004)
    compute(32)
    return item


async def amixed(item):
    await asyncio.sleep(0.004)
    compute(32)
    return item


def mostly_waits(item):
    time.sleep(0.018)
    compute(4)
    return item


async def amostly_waits(item):
    await asyncio.sleep(0.018)
    compute(4)
    return item


def in_turn(item):
    """One at a time, whatever the process."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        time.sleep(0.003)
    return item


def with_the_gil(item):
    usleep_with_gil(5000)
    return item


def look_up(item):
    return len(socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM))
