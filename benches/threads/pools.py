"""A pool used by plain threads, without a loop."""

import concurrent.futures
import importlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from threads.hops import Work, answer
from threads.meter import Meter, Timing

Pool = concurrent.futures.ThreadPoolExecutor
Batch = Callable[[Pool, int], int]

BURST = 64
BURST_SECONDS = 0.02


def pool(contender: str, **options: Any) -> Pool:
    """A new pool of `contender`."""
    module = "nalsil" if contender == "nalsil" else "concurrent.futures"
    made: Pool = importlib.import_module(module).ThreadPoolExecutor(**options)
    return made


def same(value: int) -> int:
    """The shortest job with an argument."""
    return value


def submit_result(executor: Pool, count: int) -> int:
    right = 0
    for _ in range(count):
        right += executor.submit(answer).result()
    return right


def bulk(executor: Pool, count: int) -> int:
    futures = [executor.submit(answer) for _ in range(count)]
    return sum(future.result() for future in futures)


def mapped(executor: Pool, count: int) -> int:
    return sum(executor.map(same, itertools.repeat(1, count)))


def pool_of_one(contender: str) -> int:
    with pool(contender, max_workers=1) as executor:
        return executor.submit(answer).result()


def one_thread() -> int:
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(answer()))
    thread.start()
    thread.join()
    return sum(answers)


def start(contender: str, timing: Timing) -> dict[str, Any]:
    meter = Meter(timing)
    for _ in meter.turns():
        meter.add(one_thread() if contender == "thread" else pool_of_one(contender), of=1)
    return meter.result()


def burst(contender: str, timing: Timing) -> dict[str, Any]:
    """As many waiting jobs at once as there are workers, all of them idle before."""
    meter = Meter(timing)
    with pool(contender, max_workers=BURST) as executor:
        for _ in meter.turns():
            futures = [executor.submit(time.sleep, BURST_SECONDS) for _ in range(BURST)]
            concurrent.futures.wait(futures)
            meter.add(sum(future.result() is None for future in futures) // BURST, of=1)
    return meter.result()


def repeated(batch: Batch, count: int) -> Work:
    """The work that repeats `batch` of `count` operations on one pool of the default size."""

    def work(contender: str, timing: Timing) -> dict[str, Any]:
        meter = Meter(timing)
        with pool(contender) as executor:
            for _ in meter.turns():
                meter.add(batch(executor, count), of=count)
        return meter.result()

    return work


WORKS: dict[str, Work] = {
    "pool/submit-result": repeated(submit_result, 200),
    "pool/bulk-10000": repeated(bulk, 10_000),
    "pool/map-10000": repeated(mapped, 10_000),
    "pool/burst-64-waits": burst,
    "pool/start": start,
}
