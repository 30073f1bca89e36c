"""The native meter: what it counts, what it refuses, and that it does not disturb its units."""

from __future__ import annotations

import array
import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from nalsil._nalsil import Meter, effective_cores

from .mixtures import in_threads, spin

HINT = "hint:"
KEYS = {
    "elapsed_s",
    "units",
    "unit_s",
    "latencies",
    "seconds",
    "unknown",
    "held_waiting_s",
    "blocking_s",
    "gil_share",
    "cpu_s",
    "sampler_cpu_s",
    "ticks",
    "switches",
    "threads",
    "peak_rss_bytes",
    "start_rss_bytes",
}


def native_threads():
    """The threads of this process, those that Python does not know of too."""
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()}


class TestCounts:
    def test_all_that_it_promises(self):
        meter = Meter()
        counted = meter.wrap(lambda: time.sleep(0.01))
        meter.start()
        for _ in range(30):
            counted()
        measured = meter.stop()
        assert measured.keys() == KEYS
        assert measured["units"] == 30
        assert measured["ticks"] > 0
        assert measured["threads"] >= 1
        assert measured["switches"].keys() == {"voluntary", "involuntary"}
        assert measured["switches"]["voluntary"] >= 30
        assert measured["peak_rss_bytes"] >= measured["start_rss_bytes"] > 0
        assert 0 <= measured["sampler_cpu_s"] < measured["elapsed_s"]
        assert measured["unit_s"] <= measured["elapsed_s"]

    def test_the_latency_of_every_unit(self):
        meter = Meter()
        counted = meter.wrap(time.sleep)
        meter.start()
        for milliseconds in (1, 5, 20):
            counted(milliseconds / 1000)
        measured = meter.stop()
        latencies = array.array("Q", measured["latencies"])
        assert len(latencies) == measured["units"] == 3
        assert sorted(latencies) == list(latencies)
        assert latencies[0] >= 1_000_000
        assert latencies[1] >= 5_000_000
        assert latencies[2] >= 20_000_000
        assert sum(latencies) / 1e9 == pytest.approx(measured["unit_s"], rel=0.01)

    def test_cpu_of_the_whole_process_without_its_own(self):
        meter = Meter(rate=1000.0)
        counted = meter.wrap(lambda: spin(0.2))
        before = time.process_time()
        meter.start()
        in_threads(2, counted)
        measured = meter.stop()
        truth = time.process_time() - before
        assert measured["cpu_s"] + measured["sampler_cpu_s"] == pytest.approx(truth, rel=0.1)
        assert measured["cpu_s"] > 0.2

    def test_starts_from_zero_each_time(self):
        meter = Meter()
        counted = meter.wrap(int)
        for number in (5, 3):
            meter.start()
            for _ in range(number):
                counted()
            measured = meter.stop()
            assert measured["units"] == number
            assert len(measured["latencies"]) == 8 * number

    def test_calls_before_and_after_do_not_count(self):
        meter = Meter()
        counted = meter.wrap(abs)
        assert counted(-1) == 1
        meter.start()
        assert counted(-2) == 2
        measured = meter.stop()
        assert counted(-3) == 3
        assert measured["units"] == 1

    def test_a_unit_that_began_before_the_start(self):
        """It is counted as a whole or not at all, and its thread goes on."""
        meter = Meter()
        begun, go_on = threading.Event(), threading.Event()
        counted = meter.wrap(lambda: (begun.set(), go_on.wait()))
        thread = threading.Thread(target=counted)
        thread.start()
        begun.wait()
        meter.start()
        go_on.set()
        thread.join()
        assert meter.stop()["units"] in (0, 1)

    def test_a_unit_that_has_not_ended_at_the_stop(self):
        meter = Meter()
        begun, go_on = threading.Event(), threading.Event()
        counted = meter.wrap(lambda: (begun.set(), go_on.wait()))
        thread = threading.Thread(target=counted)
        meter.start()
        thread.start()
        begun.wait()
        measured = meter.stop()
        go_on.set()
        thread.join()
        assert measured["units"] == 0
        assert measured["unit_s"] <= measured["elapsed_s"]

    def test_a_unit_inside_a_unit(self):
        """Its time counts once."""
        meter = Meter()
        inner = meter.wrap(lambda: time.sleep(0.05))
        outer = meter.wrap(inner)
        meter.start()
        outer()
        measured = meter.stop()
        assert sum(measured["seconds"].values()) < 1.5 * measured["elapsed_s"]

    def test_many_threads(self):
        meter = Meter()
        counted = meter.wrap(lambda: time.sleep(0.01))
        gate = threading.Barrier(200)
        meter.start()
        in_threads(200, lambda: (gate.wait(), counted()))
        measured = meter.stop()
        assert measured["units"] == 200
        assert measured["threads"] >= 200

    def test_a_hundred_thousand_units(self):
        meter = Meter()
        counted = meter.wrap(abs)
        meter.start()
        in_threads(4, lambda: [counted(-1) for _ in range(25_000)])
        measured = meter.stop()
        assert measured["units"] == 100_000
        assert len(measured["latencies"]) == 800_000

    def test_threads_that_come_and_go(self):
        meter = Meter()
        counted = meter.wrap(lambda: time.sleep(0.005))
        meter.start()
        for _ in range(100):
            in_threads(2, counted)
        measured = meter.stop()
        assert measured["units"] == 200
        assert measured["seconds"]["wait_sleep"] > 0.5 * measured["unit_s"]

    def test_no_unit_at_all(self):
        meter = Meter()
        meter.start()
        measured = meter.stop()
        assert measured["units"] == 0
        assert measured["latencies"] == b""
        assert measured["unit_s"] == 0

    def test_two_meters_at_once(self):
        first, second = Meter(), Meter()
        one, other = first.wrap(int), second.wrap(int)
        first.start()
        second.start()
        one()
        other()
        other()
        assert second.stop()["units"] == 2
        assert first.stop()["units"] == 1

    def test_effective_cores(self):
        got = effective_cores(0.2)
        assert 0 < got <= len(os.sched_getaffinity(0)) * 1.02

    def test_no_descriptor_and_no_thread_stays(self):
        """The fixture `nothing_left_behind` looks for descriptors."""
        before = native_threads()
        meter = Meter()
        counted = meter.wrap(lambda: time.sleep(0.001))
        for _ in range(20):
            meter.start()
            in_threads(2, counted)
            meter.stop()
        assert native_threads() <= before


class TestPassesThrough:
    @pytest.fixture(params=[False, True], ids=["stopped", "started"])
    def meter(self, request):
        meter = Meter()
        if request.param:
            meter.start()
        yield meter
        if request.param:
            meter.stop()

    def test_arguments_and_result(self, meter):
        counted = meter.wrap(lambda *args, **kwargs: (args, kwargs))
        assert counted(1, 2, a=3) == ((1, 2), {"a": 3})

    @pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_exceptions(self, meter, error):
        raised = error("spam")

        def unit():
            raise raised

        with pytest.raises(error) as caught:
            meter.wrap(unit)()
        assert caught.value is raised
        assert caught.traceback[-1].name == "unit"

    def test_units_that_raise_are_units(self):
        meter = Meter()
        counted = meter.wrap(lambda: 1 / 0)
        meter.start()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                counted()
        assert meter.stop()["units"] == 3

    def test_recursion(self, meter):
        def down(number):
            return number and counted(number - 1)

        counted = meter.wrap(down)
        assert counted(50) == 0

    def test_too_deep_a_recursion(self, meter):
        def down():
            return counted()

        counted = meter.wrap(down)
        with pytest.raises(RecursionError):
            counted()


class TestRefuses:
    @pytest.mark.parametrize("mode", ["spam", "", "UNITS", None, 5])
    def test_modes(self, mode):
        with pytest.raises((ValueError, TypeError), match="mode"):
            Meter(mode=mode)

    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "5", None])
    def test_rates(self, rate):
        with pytest.raises((ValueError, TypeError), match="rate"):
            Meter(rate=rate)

    def test_positional_arguments(self):
        with pytest.raises(TypeError):
            Meter("units")

    @pytest.mark.parametrize("function", [None, 5, "spam"])
    def test_what_cannot_be_called(self, function):
        with pytest.raises(TypeError, match="callable"):
            Meter().wrap(function)

    def test_a_start_of_one_that_runs(self):
        meter = Meter()
        meter.start()
        with pytest.raises(RuntimeError, match=HINT):
            meter.start()
        meter.stop()

    def test_a_stop_of_one_that_does_not_run(self):
        meter = Meter()
        with pytest.raises(RuntimeError, match=HINT):
            meter.stop()
        meter.start()
        meter.stop()
        with pytest.raises(RuntimeError, match=HINT):
            meter.stop()

    @pytest.mark.parametrize("seconds", [-1, float("nan"), "1", None])
    def test_a_spell_of_calibration(self, seconds):
        with pytest.raises((ValueError, TypeError)):
            effective_cores(seconds)


class TestGarbage:
    class Function:
        def __call__(self):
            return 5

    def test_a_meter_that_is_dropped(self):
        function = self.Function()
        gone = weakref.ref(function)
        counted = Meter().wrap(function)
        assert counted() == 5
        del function, counted
        gc.collect()
        assert gone() is None

    def test_a_cycle_through_the_function(self):
        function = self.Function()
        gone = weakref.ref(function)
        function.meter = Meter()
        function.counted = function.meter.wrap(function)
        del function
        gc.collect()
        assert gone() is None

    def test_a_meter_that_is_dropped_while_it_runs(self):
        before = native_threads()
        meter = Meter()
        meter.wrap(int)
        meter.start()
        del meter
        gc.collect()
        while not native_threads() <= before:
            time.sleep(0.001)

    def test_results_are_let_go(self):
        meter = Meter()
        counted = meter.wrap(self.Function)
        meter.start()
        gone = weakref.ref(counted())
        gc.collect()
        assert gone() is None
        meter.stop()

    def test_references_are_balanced(self):
        meter = Meter()
        value = object()
        counted = meter.wrap(lambda thing: thing)
        meter.start()
        counted(value)
        before = sys.getrefcount(value)
        for _ in range(100):
            counted(value)
        assert sys.getrefcount(value) == before
        meter.stop()


PROGRAM = """
import os, sys, threading, time, warnings
from nalsil._nalsil import Meter

warnings.simplefilter("ignore", DeprecationWarning)  # for `fork` beside other threads
meter = Meter()
counted = meter.wrap(lambda: time.sleep(0.01))
meter.start()
counted()
"""


class TestProcess:
    @pytest.mark.parametrize(
        "source",
        [
            "",
            "meter.stop()",
            "threading.Thread(target=counted).start()",
            "threading.Thread(target=lambda: [counted() for _ in range(20)], daemon=True).start()",
            "import gc; kept = [meter]; kept.append(kept); del meter, counted; gc.collect()",
        ],
    )
    def test_ends_while_it_runs(self, program, source):
        ended = program(PROGRAM + source)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)

    @pytest.mark.parametrize(
        "child",
        [
            "pass",
            "counted()",
            "meter.stop()",
            "own = Meter(); own.start(); own.wrap(int)(); assert own.stop()['units'] == 1",
        ],
    )
    def test_forks_while_it_runs(self, program, child):
        """The sampler is a thread, so it is not in the child; that must not hang or lie."""
        source = (
            "number = os.fork()\n"
            "if not number:\n"
            "    try:\n"
            f"        {child}\n"
            "    except RuntimeError as error:\n"
            "        assert 'hint:' in str(error)\n"
            "    os._exit(0)\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0\n"
            "counted()\n"
            "assert meter.stop()['units'] == 2\n"
        )
        ended = program(PROGRAM + source)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)

    def test_signals_reach_the_main_thread(self, program):
        source = """
import signal
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(threading.current_thread()))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(seen) < 10:
    counted()
signal.setitimer(signal.ITIMER_REAL, 0)
assert set(seen) == {threading.main_thread()}
meter.stop()
"""
        ended = program(PROGRAM + source)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


class TestLoopMode:
    def test_units_of_one_loop(self, run):
        meter = Meter(mode="loop")

        async def main():
            meter.start()
            for _ in range(10):
                began = meter.enter()
                await asyncio.sleep(0.01)
                meter.leave(began)
            return meter.stop()

        measured = run(main())
        assert measured["units"] == 10
        assert measured["unit_s"] >= 0.1
        assert all(each >= 10_000_000 for each in array.array("Q", measured["latencies"]))

    def test_enter_and_leave_outside_of_a_measurement(self):
        meter = Meter(mode="loop")
        meter.leave(meter.enter())
        meter.start()
        assert meter.stop()["units"] == 0

    @pytest.mark.parametrize("began", [None, "1", 1.5])
    def test_leave_wants_what_enter_gave(self, began):
        meter = Meter(mode="loop")
        meter.start()
        with pytest.raises(TypeError):
            meter.leave(began)
        meter.stop()
