"""An executor of the user's: any `concurrent.futures.Executor`, wherever its workers are."""

from __future__ import annotations

import atexit
import sys
import time
from concurrent.futures import Executor
from importlib import import_module
from typing import Any

from nalsil._compare import machine
from nalsil._compare.forms.session import (
    everything_failed,
    failed_reading,
    outcomes_of,
    warm_indices,
)
from nalsil._compare.forms.window import Window
from nalsil._compare.reading import Reading, thinned
from nalsil._compare.usage import UsageError
from nalsil._compare.work import Order, Tally, Work, surroundings


class Executors:
    """The one executor of a child process: made when it is first needed, and kept."""

    def __init__(self, factory: str) -> None:
        self._factory = factory
        self._executor: Executor | None = None
        self._made_in = 0.0

    def measure(self, work: Work, order: Order) -> Reading:
        """Measure the work on the executor."""
        with surroundings(work):
            if self._executor is None:
                began = time.perf_counter()
                self._executor = make_executor(self._factory)
                atexit.register(self._executor.shutdown)
                send_by_value(work)
                self._made_in = time.perf_counter() - began
            return _measure(self._executor, work, order, self._made_in)


def make_executor(factory: str) -> Executor:
    """Return what a `package.module:function` makes.

    Raises:
        UsageError: if that is missing, fails, or makes no executor.
    """
    module, _, name = factory.partition(":")
    try:
        made = getattr(import_module(module), name)()
    except Exception as error:
        raise UsageError(
            f"cannot make an executor with `{factory}`: {type(error).__name__}: {error}; hint: "
            "it is called without arguments and returns a concurrent.futures.Executor"
        ) from error
    executor = _without_memory(made)
    if not callable(getattr(executor, "submit", None)):
        raise UsageError(
            f"`{factory}` made {type(made).__name__}, which has no submit(); hint: return a "
            "concurrent.futures.Executor"
        )
    return executor


def _without_memory(made: Any) -> Executor:
    """Return the executor, set to run equal calls each time.

    Dask takes calls of one function with equal arguments for one task, unless it is told that the
    function is not pure; then most units of a round would not run at all. Its client is taken too.
    """
    executor: Executor = made
    if (dask := sys.modules.get("distributed")) is not None:
        if isinstance(made, dask.Client):
            executor = made.get_executor(pure=False)
        elif isinstance(made, import_module("distributed.cfexecutor").ClientExecutor):
            made._kwargs = {**made._kwargs, "pure": False}
    return executor


def send_by_value(work: Work) -> None:
    """Let cloudpickle send the file of the work along, for workers that cannot import it."""
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is not None and work.target.path is not None:
        cloudpickle.register_pickle_by_value(work.module)


def _measure(executor: Executor, work: Work, order: Order, made_in: float) -> Reading:
    tally = Tally.of(work)
    window = Window(executor, work, order, tally)
    window.check(order.check)
    if everything_failed(tally, order):
        return failed_reading(tally)
    window.warm(warm_indices(order))
    run = window.run_checked if order.check_timed else window.run
    below = machine.descendants()
    cpu = machine.cpu_seconds() + machine.cpu_seconds_of(below)
    grown = machine.rss_bytes()
    began = time.perf_counter()
    for _ in range(order.passes):
        run(order.indices)
    elapsed = time.perf_counter() - began
    cpu = machine.cpu_seconds() + machine.cpu_seconds_of(below) - cpu
    return {
        "units": len(order.indices) * order.passes,
        "elapsed_s": elapsed,
        "start_s": made_in,
        "latencies": thinned(window.latencies),
        "cpu_s": max(0.0, cpu),
        "seconds": None,
        "unknown": [],
        "held_waiting_s": None,
        "blocking_s": None,
        "gil_share": None,
        "switches": None,
        "threads": machine.threads(),
        "peak_rss_bytes": machine.rss_bytes(),
        "grown_bytes": max(0, machine.rss_bytes() - grown),
        "sampler_cpu_s": 0.0,
        "sampled_s": 0.0,
        **outcomes_of(tally),
    }
