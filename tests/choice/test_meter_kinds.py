"""Eighteen kinds of call: each in its cell of the two-by-two, its wait of the right kind.

The cells are: on a processor or off it, with the interpreter (GIL) held or released. How much of a
call was on a processor is told by the thread's own clock, as a check on both.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import queue
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from nalsil._nalsil import Meter

from .mixtures import shares

SECONDS = 1.2
MOSTLY = 0.8
POINTS = 0.05
ON, OFF = "on the processor", "off the processor"
HELD, RELEASED = "held", "released"
SLEEP = 0.02
HAS_GIL = sys._is_gil_enabled() if hasattr(sys, "_is_gil_enabled") else True


@dataclass(frozen=True)
class Kind:
    """The cell and the share that a call belongs to."""

    processor: str
    gil: str
    share: str
    mostly: float = MOSTLY
    """The least part of that share."""


KINDS = {
    "time.sleep": Kind(OFF, RELEASED, "wait_sleep"),
    "socket.recv": Kind(OFF, RELEASED, "wait_network"),
    "subprocess.run": Kind(OFF, RELEASED, "wait_child"),
    "write and fsync": Kind(OFF, RELEASED, "wait_disk", 0.0),
    "read of 64 MB": Kind(ON, RELEASED, "cpu_native", 0.5),
    "Lock.acquire": Kind(OFF, RELEASED, "wait_lock"),
    "Queue.get": Kind(OFF, RELEASED, "wait_lock"),
    "Future.result": Kind(OFF, RELEASED, "wait_lock"),
    "getaddrinfo": Kind(OFF, RELEASED, "wait_network", 0.0),
    "sqlite query": Kind(ON, RELEASED, "cpu_native"),
    "json.dumps": Kind(ON, HELD, "cpu_python"),
    "regular expression": Kind(ON, HELD, "cpu_python"),
    "sha256": Kind(ON, RELEASED, "cpu_native"),
    "zlib": Kind(ON, RELEASED, "cpu_native"),
    "numpy matmul": Kind(ON, RELEASED, "cpu_native"),
    "C sleep, released": Kind(OFF, RELEASED, "wait_sleep"),
    "C sleep, held": Kind(OFF, HELD, "wait_sleep"),
    "Python loop": Kind(ON, HELD, "cpu_python"),
}
"""`mostly` is 0 where the system may do the same without a wait: then only what it is off the
processor for has to be of that kind."""


def later(call):
    """Calls it after the time that a wait is to last."""
    timer = threading.Timer(SLEEP, call)
    timer.start()
    return timer


@pytest.fixture
def units(tmp_path, request):
    """Makes the call of a kind."""

    def make(kind):
        return getattr(Calls(tmp_path, request), re.sub(r"\W+", "_", kind).lower())()

    return make


class Calls:
    """The calls, each made ready for many."""

    def __init__(self, folder, request):
        self.folder = folder
        self.close = request.addfinalizer

    def time_sleep(self):
        return lambda: time.sleep(SLEEP)

    def socket_recv(self):
        own, peer = socket.socketpair()

        def answer():
            while peer.recv(1):
                time.sleep(SLEEP)
                peer.send(b"x")
            peer.close()

        thread = threading.Thread(target=answer)
        thread.start()

        def end():
            own.close()
            thread.join()

        self.close(end)

        def call():
            own.send(b"x")
            own.recv(1)

        return call

    def subprocess_run(self):
        return lambda: subprocess.run(["sleep", "0.2"], check=True)

    def write_and_fsync(self):
        file = open(self.folder / "written", "wb")  # noqa: SIM115
        self.close(file.close)
        block = os.urandom(256 * 1024)

        def call():
            file.seek(0)
            file.write(block)
            file.flush()
            os.fsync(file.fileno())

        return call

    def read_of_64_mb(self):
        path = self.folder / "read"
        path.write_bytes(bytes(64 * 1024 * 1024))

        def call():
            with open(path, "rb", buffering=0) as file:
                file.read()

        return call

    def lock_acquire(self):
        lock = threading.Lock()
        lock.acquire()

        def call():
            timer = later(lock.release)
            lock.acquire()
            timer.join()

        return call

    def queue_get(self):
        items = queue.Queue()

        def call():
            timer = later(lambda: items.put(1))
            items.get()
            timer.join()

        return call

    def future_result(self):
        def call():
            future = Future()
            timer = later(lambda: future.set_result(1))
            future.result()
            timer.join()

        return call

    def getaddrinfo(self):
        def call():
            for _ in range(20):
                socket.getaddrinfo("localhost", 80)

        return call

    def sqlite_query(self):
        database = sqlite3.connect(":memory:", check_same_thread=False)
        self.close(database.close)
        query = """
            with recursive numbers(n) as (select 1 union all select n + 1 from numbers
            where n < 100000) select sum(n) from numbers
        """
        return lambda: database.execute(query).fetchone()

    def json_dumps(self):
        value = [{"name": str(number), "values": [number] * 10} for number in range(3000)]
        return lambda: json.dumps(value)

    def regular_expression(self):
        pattern = re.compile("(a+)+b")
        return lambda: pattern.match("a" * 20)

    def sha256(self):
        block = bytes(8 * 1024 * 1024)
        return lambda: hashlib.sha256(block).digest()

    def zlib(self):
        block = os.urandom(64 * 1024) * 16
        return lambda: zlib.compress(block, 6)

    def numpy_matmul(self):
        numpy = pytest.importorskip("numpy", reason="numpy is not installed")
        matrix = numpy.ones((400, 400))
        return lambda: matrix @ matrix

    def c_sleep_released(self):
        usleep = ctypes.CDLL(None).usleep
        return lambda: usleep(int(SLEEP * 1e6))

    def c_sleep_held(self):
        usleep = ctypes.PyDLL(None).usleep
        return lambda: usleep(int(SLEEP * 1e6))

    def python_loop(self):
        def call():
            for _ in range(100_000):
                pass

        return call


def measure(unit):
    """Units for a while in a thread; gives what the Meter says and the true share of CPU time."""
    spent = []
    meter = Meter()
    counted = meter.wrap(unit)

    def run():
        until = time.monotonic() + SECONDS
        before = time.thread_time()
        while time.monotonic() < until:
            counted()
        spent.append(time.thread_time() - before)

    thread = threading.Thread(target=run)
    meter.start()
    thread.start()
    thread.join()
    measured = meter.stop()
    return measured, spent[0] / measured["unit_s"]


@pytest.mark.parametrize("name", KINDS)
def test_falls_into_its_cell(name, units):
    kind = KINDS[name]
    measured, truth = measure(units(name))
    told = shares(measured)
    assert abs(told["cpu_python"] + told["cpu_native"] - truth) < POINTS, (told, truth)
    # That it had to queue for a processor is no property of the call.
    told = {key: value / (1 - told["run_queue"]) for key, value in told.items()}
    del told["run_queue"]
    on = told["cpu_python"] + told["cpu_native"]
    off = 1 - on
    if kind.mostly:
        assert told[kind.share] > kind.mostly, told
        assert (on > off) == (kind.processor == ON), told
    elif off > POINTS:
        assert told[kind.share] > MOSTLY * (off - POINTS), (told, measured)
    if not HAS_GIL:
        return
    awake = measured["unit_s"] - measured["seconds"]["run_queue"]
    held = told["cpu_python"] + measured["held_waiting_s"] / awake
    if kind.gil == HELD:
        assert held > MOSTLY, (told, measured["held_waiting_s"])
    elif kind.mostly == MOSTLY:
        assert held < 1 - MOSTLY, (told, measured["held_waiting_s"])
    if kind.processor == OFF and kind.gil == RELEASED:
        # A share of the waits, but never less than what a handful of looks can tell apart.
        assert measured["held_waiting_s"] < max(0.1 * off, POINTS) * awake, (told, measured)


def test_there_are_eighteen():
    assert len(KINDS) == 18


def test_a_poll_is_network():
    """As libraries wait that set a timeout on their sockets."""
    own, peer = socket.socketpair()
    own.settimeout(SLEEP)

    def call():
        with pytest.raises(TimeoutError):
            own.recv(1)

    with own, peer:
        measured, _ = measure(call)
    assert shares(measured)["wait_network"] > MOSTLY


def test_a_wait_for_threads_is_a_lock():
    measured, _ = measure(run_and_join)
    assert shares(measured)["wait_lock"] > MOSTLY


def run_and_join():
    thread = threading.Thread(target=time.sleep, args=(SLEEP,))
    thread.start()
    thread.join()
