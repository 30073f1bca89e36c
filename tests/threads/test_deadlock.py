"""Workers that all wait for their own pool: which waits end, and which raise `PoolDeadlock`."""

import asyncio

import pytest

pytestmark = [
    pytest.mark.nalsil_only,
    pytest.mark.nalsil_pool("its jobs do not know their loop, and hang"),
]

WORKERS = 8
THREADS = WORKERS + 32
"""With those that may stand in, by default."""


@pytest.fixture
def from_thread(module):
    return module.from_thread


@pytest.fixture
def ask(loop):
    """`await ask(pool)` gives the pool a job and awaits it; `ask.given` has those jobs."""

    async def give(pool):
        give.given.append(loop.run_in_executor(pool, int, "7"))
        return await give.given[-1]

    give.given = []
    return give


async def test_a_wait_that_another_can_end_is_none(loop, new_pool, from_thread, ask, until):
    pool, release = new_pool(2, max_overflow=0), asyncio.Event()
    other = loop.run_in_executor(pool, from_thread.run, release.wait)
    await until(lambda: pool.statistics()["blocked"] == 1)
    asking = loop.run_in_executor(pool, from_thread.run, ask, pool)
    await until(lambda: ask.given)
    assert pool.statistics()["blocked"] == 2
    release.set()
    assert await asyncio.gather(other, asking) == [True, 7]


async def test_a_wait_that_nobody_can_end_raises(loop, new_pool, module, from_thread, ask):
    pool = new_pool(1, max_overflow=0)
    with pytest.raises(module.PoolDeadlock, match=r"hint: .*max_overflow"):
        await loop.run_in_executor(pool, from_thread.run, ask, pool)
    # The worker is back, so the pool goes on.
    assert await loop.run_in_executor(pool, abs, -3) == 3


async def test_with_one_more_thread_it_ends(loop, new_pool, from_thread, ask):
    pool = new_pool(1, max_overflow=1)
    assert await loop.run_in_executor(pool, from_thread.run, ask, pool) == 7


@pytest.fixture(params=["given", "default"])
def hop(request, loop, module, new_pool):
    """`hop(fn, *args)` calls it in a pool of the usual size; in one of two ways."""
    pool = new_pool(WORKERS)
    if request.param == "given":
        return lambda fn, *args: loop.run_in_executor(pool, fn, *args)
    loop.set_default_executor(pool)
    return module.to_thread


@pytest.mark.parametrize("requests", [WORKERS, THREADS - 1, THREADS, THREADS + 1])
async def test_of_many_requests_every_one_ends(module, from_thread, hop, requests):
    arrived, all_here = [], asyncio.Event()

    async def handle():
        arrived.append(1)
        if len(arrived) == min(requests, THREADS):
            all_here.set()
        await all_here.wait()
        return await hop(int, "7")

    jobs = (hop(from_thread.run, handle) for _ in range(requests))
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome != 7]
    assert len(failed) < requests
    assert all(isinstance(outcome, module.PoolDeadlock) for outcome in failed)
    if requests < THREADS:
        assert not failed
