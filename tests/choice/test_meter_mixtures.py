"""The shares of known mixtures agree within five points with the kernel's counters of the same run.

Shares are compared and never times, and the truth is taken in the run that is judged, so that a
busy machine changes both alike.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time

import pytest

from nalsil._nalsil import Meter

from .mixtures import Truth, beside, hash_for, in_threads, shares, spin

POINTS = 0.05
SECONDS = 2.0
"""Enough where the kernel's counters tell the shares."""
SAMPLED_SECONDS = 10.0
"""Enough where samples divide them: a share of a half is then told to about two points."""
KEYS = {
    "cpu_python",
    "cpu_native",
    "wait_network",
    "wait_disk",
    "wait_sleep",
    "wait_child",
    "wait_lock",
    "wait_gil",
    "run_queue",
}


@pytest.fixture
def truth():
    return Truth()


def measure(truth, unit, threads=1, seconds=SECONDS, rate=250.0):
    """Run units in threads for a while; gives what the Meter says."""
    meter = Meter(rate=rate)
    counted = meter.wrap(unit)
    until = time.monotonic() + seconds

    def run():
        with truth.thread():
            while time.monotonic() < until:
                counted()

    meter.start()
    in_threads(threads, run)
    return meter.stop()


def assert_agrees(measured, truth):
    told, known = shares(measured), truth.shares()
    assert told.keys() == KEYS
    off = {
        key: (round(told[key], 3), round(known.get(key, 0.0), 3))
        for key in KEYS
        if abs(told[key] - known.get(key, 0.0)) > POINTS
    }
    assert not off, f"(told, true): {off}; all told: {told}"


def mixture(truth, sleep=0.0, python=0.0, native=0.0):
    """A unit that sleeps, spins in Python and hashes for those seconds."""

    def unit():
        if sleep:
            with truth.part("wait_sleep"):
                time.sleep(sleep)
        if python:
            with truth.part("cpu_python"):
                spin(python)
        if native:
            with truth.part("cpu_native"):
                hash_for(native)

    return unit


@pytest.mark.parametrize(
    "parts",
    [
        {"sleep": 0.010},
        {"python": 0.005},
        {"native": 0.005},
        {"sleep": 0.006, "python": 0.003},
        {"sleep": 0.003, "native": 0.006},
        {"python": 0.004, "native": 0.004},
        {"sleep": 0.004, "python": 0.002, "native": 0.002},
        {"sleep": 0.0012, "python": 0.0004, "native": 0.0004},
        {"sleep": 0.060, "python": 0.020, "native": 0.020},
    ],
    ids=str,
)
def test_one_thread(parts, truth):
    seconds = SAMPLED_SECONDS if {"python", "native"} <= parts.keys() else SECONDS
    assert_agrees(measure(truth, mixture(truth, **parts), seconds=seconds), truth)


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_that_mostly_sleep(threads, truth):
    def unit():
        with truth.part("wait_sleep"):
            time.sleep(0.02)

    assert_agrees(measure(truth, unit, threads), truth)


def test_native_code_in_threads_does_not_wait_for_the_interpreter(truth):
    def unit():
        with truth.part("cpu_native"):
            hash_for(0.005)

    assert_agrees(measure(truth, unit, 2), truth)


def test_python_code_in_threads_waits_for_the_interpreter(truth):
    def unit():
        with truth.part("cpu_python"):
            spin(0.02)

    measured = measure(truth, unit, 4)
    assert_agrees(measured, truth)
    if sys._is_gil_enabled() if hasattr(sys, "_is_gil_enabled") else True:
        assert shares(measured)["wait_gil"] > 0.3
        assert measured["gil_share"] > 0.8


def test_a_lock_that_is_contended(truth):
    """Whoever holds it sleeps, so the others wait for the lock and for nothing else."""
    lock = threading.Lock()

    def unit():
        with truth.part("wait_lock"):
            lock.acquire()
        try:
            with truth.part("wait_sleep"):
                time.sleep(0.004)
        finally:
            lock.release()
        with truth.part("wait_sleep"):
            time.sleep(0.004)

    measured = measure(truth, unit, 4, seconds=SAMPLED_SECONDS)
    assert_agrees(measured, truth)
    assert shares(measured)["wait_lock"] > 0.3


def sleeping_alone(seconds):
    """How long such a sleep takes when nothing else wants the interpreter: timers are late."""
    took = []
    for _ in range(100):
        began = time.perf_counter()
        time.sleep(seconds)
        took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2]


def test_a_convoy(truth):
    """Threads that sleep for a moment wait for one that computes, each time they wake up."""
    alone = sleeping_alone(0.001)

    def unit():
        with truth.part("wait_sleep", at_most=alone):
            time.sleep(0.001)

    with beside(lambda: spin(0.01)):
        measured = measure(truth, unit, 4, seconds=2.5)
    assert_agrees(measured, truth)
    if sys._is_gil_enabled() if hasattr(sys, "_is_gil_enabled") else True:
        assert shares(measured)["wait_gil"] > 0.5


def test_waits_outside_of_units_do_not_count():
    """What a thread computes between its units does: handing them out is part of their cost."""
    meter = Meter()
    counted = meter.wrap(lambda: spin(0.01))
    meter.start()
    for _ in range(20):
        counted()
        time.sleep(0.02)
    measured = meter.stop()
    assert measured["units"] == 20
    assert shares(measured)["wait_sleep"] < 0.1
    assert sum(measured["seconds"].values()) < 0.8 * measured["elapsed_s"]


def test_threads_outside_of_units_do_not_count(truth):
    with beside(lambda: time.sleep(0.001)):
        assert_agrees(measure(truth, mixture(truth, sleep=0.01)), truth)


@pytest.mark.parametrize("rate", [50.0, 250.0, 1000.0])
def test_at_other_rates(rate, truth):
    unit = mixture(truth, sleep=0.003, python=0.003)
    assert_agrees(measure(truth, unit, seconds=2 * SECONDS, rate=rate), truth)


class Slow:
    """A peer in a thread of its own, which answers after a while."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.own, self.peer = socket.socketpair()
        self.own.setblocking(False)
        self.thread = threading.Thread(target=self.answer)

    def answer(self):
        while self.peer.recv(1):
            time.sleep(self.seconds)
            self.peer.send(b"x")

    async def ask(self):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.own, b"x")
        await loop.sock_recv(self.own, 1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.own.close()
        self.thread.join()
        self.peer.close()


def measure_loop(truth, loop, parts, seconds=SECONDS):
    """Run the parts of a unit on a loop over and over; gives what the Meter says."""
    meter = Meter(mode="loop")

    async def main():
        meter.start()
        until = time.monotonic() + seconds
        with truth.thread():
            while time.monotonic() < until:
                began = meter.enter()
                await parts()
                meter.leave(began)
        return meter.stop()

    return loop.run_until_complete(main())


@pytest.mark.parametrize(("busy", "idle"), [(0.002, 0.008), (0.005, 0.005), (0.008, 0.002)])
def test_a_loop_that_waits_for_a_moment(busy, idle, loop, truth):
    async def parts():
        with truth.part("cpu_python"):
            spin(busy)
        with truth.part("wait_sleep"):
            await asyncio.sleep(idle)

    assert_agrees(measure_loop(truth, loop, parts), truth)


@pytest.mark.parametrize(("busy", "idle"), [(0.002, 0.008), (0.008, 0.002)])
def test_a_loop_that_waits_for_a_peer(busy, idle, loop, truth):
    with Slow(idle) as peer:

        async def parts():
            with truth.part("cpu_python"):
                spin(busy)
            with truth.part("wait_network"):
                await peer.ask()

        assert_agrees(measure_loop(truth, loop, parts), truth)


def test_a_loop_that_a_call_blocks(loop, truth):
    """The sleep of the call is not the loop's wait for its peer."""
    with Slow(0.010) as peer:

        async def parts():
            with truth.part("wait_sleep"):
                time.sleep(0.015)
            with truth.part("wait_network"):
                await peer.ask()

        assert_agrees(measure_loop(truth, loop, parts, SAMPLED_SECONDS), truth)


def test_a_loop_that_waits_for_a_thread(loop, truth):
    """What the thread does meanwhile is what the loop waits for."""

    async def parts():
        with truth.part("wait_sleep"):
            await asyncio.to_thread(time.sleep, 0.01)

    measured = measure_loop(truth, loop, parts)
    loop.run_until_complete(loop.shutdown_default_executor())
    assert_agrees(measured, truth)


def test_many_coroutines_at_once(loop):
    """The time of the loop's thread counts once, the latency of every unit for itself."""
    meter = Meter(mode="loop")

    async def unit():
        began = meter.enter()
        await asyncio.sleep(0.1)
        meter.leave(began)

    async def main():
        meter.start()
        for _ in range(5):
            await asyncio.gather(*[unit() for _ in range(40)])
        return meter.stop()

    measured = loop.run_until_complete(main())
    assert measured["units"] == 200
    assert measured["unit_s"] >= 200 * 0.1
    assert sum(measured["seconds"].values()) <= 1.05 * measured["elapsed_s"]
    assert shares(measured)["wait_sleep"] > 0.7


def test_all_threads_but_the_one_that_starts(truth):
    """One thread computes at times, the other sleeps once: none waits for the interpreter."""
    meter = Meter(mode="threads")
    until = time.monotonic() + SAMPLED_SECONDS

    def sleep():
        with truth.thread(), truth.part("wait_sleep"):
            time.sleep(SAMPLED_SECONDS)

    def sleep_and_spin():
        with truth.thread():
            while time.monotonic() < until:
                with truth.part("wait_sleep"):
                    time.sleep(0.004)
                with truth.part("cpu_python"):
                    spin(0.004)

    meter.start()
    threads = [threading.Thread(target=work) for work in (sleep, sleep_and_spin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_agrees(meter.stop(), truth)
