"""Processes: a pool of workers, each of which measures itself."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.synchronize import Barrier
from typing import Any

from nalsil import _nalsil
from nalsil._compare import machine
from nalsil._compare.failures import Failure, failure_of
from nalsil._compare.forms.session import (
    everything_failed,
    failed_reading,
    outcomes_of,
    warm_indices,
)
from nalsil._compare.forms.units import note_result
from nalsil._compare.reading import SHARES, Reading, thinned, unpacked
from nalsil._compare.target import Target
from nalsil._compare.work import Fork, Order, Tally, Unpicklable, Work, run_setup, surroundings

LOOKS, FEWEST_LOOKS = 250.0, 25.0
"""Looks per second at all workers together, and at each of them at least. Each has a sampler, and
so many samplers with the rate of one would take a good part of a processor from the work; but one
that hardly looks can tell nothing of its worker."""

START_TIMEOUT = 120.0
"""Seconds after which workers that are not all there are given up."""


# In the worker


@dataclass(frozen=True)
class Job:
    """What a worker has to know."""

    target: Target
    items: int | str
    function: str
    everyone: Barrier


class Worker:
    """What a worker keeps from task to task."""

    def __init__(self, job: Job, work: Work | None) -> None:
        self.job = job
        if work is None:
            work = Work.load(job.target, job.items)
            run_setup(work)
        function = work.function(job.function)
        self.path = Tally.of(work).path
        self.meter = _nalsil.Meter(
            mode="units", rate=max(FEWEST_LOOKS, LOOKS / job.everyone.parties)
        )
        self.takes_item = function.takes_item
        self.call = function.call
        self.metered = self.meter.wrap(function.call)
        self.cpu = 0.0
        self.fork = Fork()

    def run(self, call: Callable[..., Any], item: Any) -> Any:
        """Return what a unit returns, or how it failed."""
        try:
            return call(item) if self.takes_item else call()
        except BaseException as error:
            return failure_of(error, self.path)
        finally:
            self.fork.check()


_inherited: Work | None = None
"""The work, where a worker is a fork of the process that has loaded it."""

_worker: Worker


def _initialize(job: Job) -> None:
    global _worker
    _worker = Worker(job, _inherited)


def _arrive() -> None:
    _worker.job.everyone.wait(START_TIMEOUT)


def _begin() -> None:
    _worker.job.everyone.wait(START_TIMEOUT)
    _worker.cpu = machine.cpu_seconds()
    _worker.meter.start()


def _end() -> dict[str, Any]:
    stats = _worker.meter.stop()
    stats["latencies"] = thinned(unpacked(stats["latencies"]))
    stats["cpu_s"] = machine.cpu_seconds() - _worker.cpu - stats["sampler_cpu_s"]
    stats["private_bytes"] = machine.private_bytes()
    _worker.job.everyone.wait(START_TIMEOUT)
    return stats


def _unit(item: Any) -> Any:
    return _worker.run(_worker.metered, item)


def _unmetered(item: Any) -> tuple[Any, int]:
    began = time.perf_counter_ns()
    result = _worker.run(_worker.call, item)
    return result, time.perf_counter_ns() - began


# In the process that measures


def measure(work: Work, order: Order) -> Reading:
    """Measure the work in a pool of processes."""
    global _inherited
    with surroundings(work):
        context = _context()
        _inherited = work if context.get_start_method() == "fork" else None
        began = time.perf_counter()
        job = Job(
            work.target, work.wanted_items, order.function, context.Barrier(order.concurrency)
        )
        with ProcessPoolExecutor(
            order.concurrency, mp_context=context, initializer=_initialize, initargs=(job,)
        ) as pool:
            return _Measurement(work, order, pool, began).run()


def _context() -> BaseContext:
    """How workers are started: as forks, unless there are threads that a fork would not have.

    Threads of native libraries do not count: those see to forks themselves. Spawned workers leave
    nothing in the file system, as a fork server would if it is killed.
    """
    alone = threading.active_count() == 1
    return multiprocessing.get_context("fork" if alone else "spawn")


class _Measurement:
    """One measurement, from the side of the pool."""

    def __init__(self, work: Work, order: Order, pool: ProcessPoolExecutor, began: float) -> None:
        self._work, self._order, self._pool, self._began = work, order, pool, began
        self._tally = Tally.of(work)

    def run(self) -> Reading:
        """Check, warm up, time and collect."""
        order, tally = self._order, self._tally
        self._each(_arrive)
        started = time.perf_counter() - self._began
        self._run(order.check, _unmetered, self._note_checked)
        if everything_failed(tally, order):
            return failed_reading(tally)
        self._run(warm_indices(order), _unmetered, _ignore)
        self._each(_begin)
        own = machine.cpu_seconds()
        elapsed = 0.0
        for _ in range(order.passes):
            since = time.perf_counter()
            self._run(order.indices, _unit, self._note_timed)
            elapsed += time.perf_counter() - since
        own = machine.cpu_seconds() - own
        return _reading(self._each(_end), tally, elapsed, started, own)

    def _each(self, task: Callable[[], Any]) -> list[Any]:
        """Run a task once in every worker: none gets a second while all wait for one another."""
        futures = [self._pool.submit(task) for _ in range(self._order.concurrency)]
        return [future.result() for future in futures]

    def _run(
        self,
        indices: Iterable[int],
        task: Callable[[Any], Any],
        note: Callable[[int, Any], None],
    ) -> None:
        """Submit all, and wait for all; each result is let go when it is here."""
        items, submit = self._work.items, self._pool.submit
        futures = deque((index, submit(task, items[index])) for index in indices)
        while futures:
            index, future = futures.popleft()
            note(index, self._result(index, future))

    def _result(self, index: int, future: Future[Any]) -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            raise
        except Exception as error:
            # Units do not raise here, so this is the way between the processes.
            raise _unpicklable(self._work.items[index], index, error) from error

    def _note_checked(self, index: int, answer: tuple[Any, int]) -> None:
        result, nanoseconds = answer
        if isinstance(result, Failure):
            self._tally.failures.add(result)
            self._tally.check.digests[index] = f"raised {result.type}"
            return
        self._tally.check.latencies.append(nanoseconds)
        note_result(self._tally, index, result)

    def _note_timed(self, index: int, result: Any) -> None:
        if isinstance(result, Failure):
            self._tally.failures.add(result)
        elif self._order.check_timed:
            note_result(self._tally, index, result)


def _ignore(index: int, result: Any) -> None:
    pass


def _unpicklable(item: Any, index: int, error: Exception) -> Unpicklable:
    what = f"the result for item {index}"
    try:
        pickle.dumps(item)
    except Exception:
        what = f"item {index}"
    return Unpicklable(f"{what} cannot be pickled: {type(error).__name__}: {error}")


def _reading(
    workers: list[dict[str, Any]], tally: Tally, elapsed: float, started: float, own_cpu: float
) -> Reading:
    """Return what all workers and this process gave together."""

    def total(key: str) -> Any:
        return sum(worker[key] for worker in workers)

    shares = [worker["gil_share"] for worker in workers if worker["gil_share"] is not None]
    private = [worker["private_bytes"] for worker in workers if worker["private_bytes"]]
    return {
        "units": total("units"),
        "elapsed_s": elapsed,
        "start_s": started,
        "latencies": thinned([ns for worker in workers for ns in worker["latencies"]]),
        "cpu_s": total("cpu_s") + own_cpu,
        "seconds": {key: sum(worker["seconds"][key] for worker in workers) for key in SHARES},
        "unknown": sorted({key for worker in workers for key in worker["unknown"]}),
        "held_waiting_s": total("held_waiting_s"),
        "blocking_s": None,
        "gil_share": sum(shares) / len(shares) if shares else None,
        "switches": {
            "voluntary": sum(worker["switches"]["voluntary"] for worker in workers),
            "involuntary": sum(worker["switches"]["involuntary"] for worker in workers),
        },
        "threads": total("threads"),
        "peak_rss_bytes": machine.rss_bytes() + total("peak_rss_bytes"),
        "grown_bytes": sum(private) if private else None,
        "sampler_cpu_s": total("sampler_cpu_s"),
        "sampled_s": elapsed * len(workers),
        **outcomes_of(tally),
    }
