"""Coroutines: tasks on one loop, nalsil's or asyncio's, each taking one item after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import nalsil
from nalsil import _nalsil
from nalsil._compare.forms.session import (
    Clock,
    everything_failed,
    failed_reading,
    warm_indices,
)
from nalsil._compare.forms.units import note_raised, note_result
from nalsil._compare.reading import Reading
from nalsil._compare.work import Order, Tally, Work, run_fixture

Worker = Callable[[Iterator[Any]], Any]


def measure(work: Work, order: Order) -> Reading:
    """Measure the work on nalsil's loop."""
    return _measure(work, order, nalsil.new_event_loop)


def measure_stock(work: Work, order: Order) -> Reading:
    """Measure the work on the loop of asyncio."""
    return _measure(work, order, asyncio.SelectorEventLoop)


def _measure(
    work: Work, order: Order, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> Reading:
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.get_loop()
        return runner.run(_session(work, order, time.perf_counter() - began))


async def _session(work: Work, order: Order, started: float) -> Reading:
    await run_fixture(work.setup)
    try:
        return await _timed(work, order, started)
    finally:
        await run_fixture(work.teardown)


async def _timed(work: Work, order: Order, started: float) -> Reading:
    tally = Tally.of(work)
    function = work.function(order.function)
    call = function.call if function.takes_item else _without_item(function.call)
    meter = _nalsil.Meter(mode="loop")
    checking, running = _checking(call, tally, meter), _running(call, tally, meter)
    pairs = [(index, work.items[index]) for index in order.check]
    await _all(checking, pairs, order.concurrency)
    tally.fork.raise_if_seen()
    if everything_failed(tally, order):
        return failed_reading(tally)
    warm = [work.items[index] for index in warm_indices(order)]
    await _all(running, warm, order.concurrency)
    if order.check_timed:
        running, items = checking, [(index, work.items[index]) for index in order.indices]
    else:
        items = [work.items[index] for index in order.indices]
    clock = Clock(meter)
    for _ in range(order.passes):
        with clock:
            await _all(running, items, order.concurrency)
    return clock.reading(tally, started)


def _without_item(call: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda _: call()


async def _all(worker: Worker, items: Sequence[Any], concurrency: int) -> None:
    """Run the items in as many tasks as may be in flight, and return when the last is done."""
    feed = iter(items)
    await asyncio.gather(*[worker(feed) for _ in range(min(concurrency, len(items)))])


def _running(call: Callable[[Any], Any], tally: Tally, meter: _nalsil.Meter) -> Worker:
    enter, leave, note = meter.enter, meter.leave, tally.failures.note

    async def worker(feed: Iterator[Any]) -> None:
        for item in feed:
            began = enter()
            try:
                await call(item)
            except BaseException as error:
                note(error)
            finally:
                leave(began)

    return worker


def _checking(call: Callable[[Any], Any], tally: Tally, meter: _nalsil.Meter) -> Worker:
    async def worker(feed: Iterator[tuple[int, Any]]) -> None:
        for index, item in feed:
            began, since = meter.enter(), time.perf_counter_ns()
            try:
                result = await call(item)
            except BaseException as error:
                tally.fork.check()
                note_raised(tally, index, error)
            else:
                tally.fork.check()
                tally.check.latencies.append(time.perf_counter_ns() - since)
                note_result(tally, index, result)
            finally:
                meter.leave(began)

    return worker
