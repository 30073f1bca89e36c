"""Everything at once, at random: nothing is lost and nothing happens twice.

Rounds of a new pool each, used by several threads and a loop, with threads switched as often as the
interpreter can. `NALSIL_STRESS_SECONDS` makes it longer, `NALSIL_STRESS_SEED` repeats a run.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import random
import threading
import time

import pytest

from .waiting import wait_until

SECONDS = float(os.environ.get("NALSIL_STRESS_SECONDS", "4"))
SEED = int(os.environ.get("NALSIL_STRESS_SEED", "0")) or random.SystemRandom().getrandbits(32)

SUBMITTERS = 4
SUBMISSIONS = 60
TASKS = 60


class Failure(BaseException):
    """What some jobs raise."""


class Ledger:
    """Every job of a round: how often it ran and how often its future told that it was done."""

    def __init__(self):
        self._lock = threading.Lock()
        self.futures = {}
        self.ran = []
        self.told = []

    def note(self, number, future):
        with self._lock:
            self.futures[number] = future
        future.add_done_callback(lambda _: self.told.append(number))

    def check(self):
        """Assert that each job ran once or was cancelled, and that its callback was called once."""
        wait_until(lambda: len(self.told) >= len(self.futures))
        assert all(future.done() for future in self.futures.values())
        assert sorted(self.told) == sorted(self.futures)
        ran = set(self.ran)
        assert len(ran) == len(self.ran), "a job ran twice"
        for number, future in self.futures.items():
            assert (number in ran) is not future.cancelled(), f"job {number}: {future}"
            if not future.cancelled() and future.exception() is None:
                assert future.result() == number
        return ran


class Round:
    """One pool, and those who use it."""

    def __init__(self, pool, rng, bounded, ours):
        self.pool, self.rng, self.bounded, self.ours = pool, rng, bounded, ours
        self.ledger = Ledger()
        self.refused = []
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()

    def number(self):
        with self._lock:
            return next(self._numbers)

    def job(self, number, rng, depth):
        """Runs in a worker: note it, sometimes submit more, sometimes raise."""
        self.ledger.ran.append(number)
        chance = rng.random()
        if chance < 0.1:
            raise Failure(number)
        if chance < 0.3 and depth:
            child = self.submit(rng, depth - 1)
            # A worker of the stock pool would wait for itself.
            if child is not None and self.ours and chance < 0.2:
                with contextlib.suppress(concurrent.futures.CancelledError, Failure):
                    child.result()
        elif chance < 0.4:
            os.sched_yield()
        return number

    def submit(self, rng, depth=2):
        """Submit one job in a way picked at random; None if the pool refuses it."""
        number = self.number()
        args = (self.job, number, random.Random(rng.random()), depth)
        try:
            future = self._pick(rng).submit(*args)
        except (queue.Full, RuntimeError) as error:
            self.refused.append((number, error))
            return None
        self.ledger.note(number, future)
        return future

    def _pick(self, rng):
        if not self.ours or rng.random() < 0.5:
            return self.pool
        return self.pool.options(
            priority=rng.randrange(-2, 3),
            block=rng.random() < 0.7 or not self.bounded,
        )

    def use_from_a_thread(self, seed):
        rng, mine = random.Random(seed), []
        for _ in range(SUBMISSIONS):
            future = self.submit(rng)
            mine += [future] if future is not None else []
            chance = rng.random()
            if mine and chance < 0.3:
                rng.choice(mine).cancel()
            elif mine and chance < 0.4:
                with contextlib.suppress(concurrent.futures.CancelledError, Failure, TimeoutError):
                    rng.choice(mine).result(timeout=rng.choice([None, 0, 0.001]))

    async def use_from_a_loop(self, seed):
        rng = random.Random(seed)
        tasks = [
            asyncio.ensure_future(self.awaited(random.Random(rng.random()))) for _ in "x" * TASKS
        ]
        for task in rng.sample(tasks, TASKS // 3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), Failure | RuntimeError), task.exception()

    async def awaited(self, rng):
        """Await one job; if it gives a result, it ran."""
        number, ran = self.number(), []

        def work():
            ran.append(number)
            return self.job(number, random.Random(rng.random()), depth=1)

        loop = asyncio.get_running_loop()
        try:
            assert await loop.run_in_executor(self.pool, work) == number
        except asyncio.CancelledError:
            # The job was dropped, or it goes on alone: `Round.check` asks the pool.
            assert len(ran) <= 1
            raise
        assert ran == [number]


def report_but_failures(loop, context):
    """Cancelled callers leave jobs behind, and what those raise is told to the loop."""
    if not isinstance(context.get("exception"), Failure):
        loop.default_exception_handler(context)


def options_at_random(rng, ours):
    if not ours:
        return {"max_workers": rng.randrange(1, 5)}
    return {
        "max_workers": rng.randrange(1, 5),
        "max_queue": rng.choice([None, 1, 5]),
        "idle_timeout": rng.choice([0.0005, 0.01, None]),
        "context": rng.choice(["copy", None]),
    }


def play(pool_type, loop, in_thread, rng, ours):
    """One round; gives how many jobs it had."""
    options = options_at_random(rng, ours)
    one = Round(pool_type(**options), rng, options.get("max_queue") is not None, ours)
    users = [in_thread(one.use_from_a_thread, rng.random()) for _ in range(SUBMITTERS)]
    loop.run_until_complete(one.use_from_a_loop(rng.random()))
    ends_early = rng.random() < 0.3
    if ends_early:
        one.pool.shutdown(wait=False, cancel_futures=rng.random() < 0.5)
    for user in users:
        user.result()
    one.pool.shutdown()
    ran = one.ledger.check()
    for number, error in one.refused:
        assert number not in ran, f"job {number} ran although it was refused"
        assert isinstance(error, queue.Full) or "after shutdown" in str(error), error
    if ours:
        counts = one.pool.statistics()
        ended = counts["completed"] + counts["failed"] + counts["cancelled"]
        assert (counts["submitted"], counts["running"], counts["queued"]) == (ended, 0, 0)
    return len(one.ledger.futures)


@pytest.mark.hang_after(SECONDS + 60)
@pytest.mark.usefixtures("tiny_switch_interval")
def test_nothing_is_lost_and_nothing_happens_twice(pool_type, module, new_loop, in_thread):
    print(f"NALSIL_STRESS_SEED={SEED}")
    rng, loop = random.Random(SEED), new_loop()
    loop.set_exception_handler(report_but_failures)
    end, rounds, jobs = time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end or not rounds:
        jobs += play(pool_type, loop, in_thread, rng, module.__name__ == "nalsil")
        rounds += 1
        in_thread.threads.clear()
    print(f"{rounds} rounds, {jobs} jobs")
