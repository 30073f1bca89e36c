"""What the tests of threads share: the pool under test, jobs that wait, and the leak check.

The pool under test is nalsil's. `NALSIL_TEST_POOL=stock` runs the same tests on that of
`concurrent.futures`: what they state is its behaviour too. Tests of what only nalsil's pool does
carry the mark `nalsil_pool`, with the reason that their skip gives there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from .waiting import Gate, wait_until

POOLS = {"nalsil": "nalsil", "stock": "concurrent.futures"}
CHOSEN = os.environ.get("NALSIL_TEST_POOL", "nalsil")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "nalsil_pool(reason): what only nalsil's pool does; skipped on the stock pool"
    )
    if CHOSEN not in POOLS:
        raise pytest.UsageError(
            f"`NALSIL_TEST_POOL={CHOSEN}` names no pool; hint: use one of {', '.join(POOLS)}"
        )


def pytest_report_header() -> str:
    return f"pool under test: {CHOSEN}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHOSEN == "nalsil":
        return
    for item in items:
        for mark in item.iter_markers("nalsil_pool"):
            item.add_marker(pytest.mark.skip(reason=f"not on the stock pool: {mark.args[0]}"))


@pytest.fixture
def module() -> Any:
    """The module that has the pool under test: `nalsil` or `concurrent.futures`."""
    return importlib.import_module(POOLS[CHOSEN])


@pytest.fixture
def pool_type(module: Any) -> type[concurrent.futures.ThreadPoolExecutor]:
    return module.ThreadPoolExecutor


@pytest.fixture
def future_type(module: Any) -> type[concurrent.futures.Future[Any]]:
    return module.Future


class Gates:
    """All gates of a test, so that whatever waits for its jobs can open them first."""

    def __init__(self) -> None:
        self._made: list[Gate] = []

    def new(self) -> Gate:
        self._made.append(Gate())
        return self._made[-1]

    def open_all(self) -> None:
        for gate in self._made:
            gate.open()


@pytest.fixture
def gates() -> Iterator[Gates]:
    gates = Gates()
    yield gates
    gates.open_all()


@pytest.fixture
def new_gate(gates: Gates) -> Callable[[], Gate]:
    """Makes gates, which are opened when the test ends."""
    return gates.new


@pytest.fixture
def gate(gates: Gates) -> Gate:
    return gates.new()


@pytest.fixture
def new_pool(
    pool_type: type[concurrent.futures.ThreadPoolExecutor], gates: Gates
) -> Iterator[Callable[..., concurrent.futures.ThreadPoolExecutor]]:
    """Makes pools of the kind under test, which are shut down when the test ends."""
    made: list[concurrent.futures.ThreadPoolExecutor] = []

    def make(*args: Any, **options: Any) -> concurrent.futures.ThreadPoolExecutor:
        made.append(pool_type(*args, **options))
        return made[-1]

    yield make
    gates.open_all()
    for pool in made:
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def busy_pool(
    new_pool: Callable[..., concurrent.futures.ThreadPoolExecutor], gate: Gate
) -> Callable[..., concurrent.futures.ThreadPoolExecutor]:
    """Makes pools of one worker (or `workers`), all of which wait at `gate`."""

    def make(workers: int = 1, **options: Any) -> concurrent.futures.ThreadPoolExecutor:
        pool = new_pool(workers, **options)
        for _ in range(workers):
            pool.submit(gate.job)
        gate.wait_for(workers)
        return pool

    return make


@pytest.fixture(autouse=True)
def threads_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose threads go on, or end by an exception.

    They end soon after the test, or the hang guard says which did not.
    """
    broken: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)
    assert not broken, f"threads ended by exceptions: {broken}"


@pytest.fixture
def tiny_switch_interval() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def in_thread(gates: Gates) -> Iterator[Callable[..., concurrent.futures.Future[Any]]]:
    """Calls something in a thread of its own, gives a stock future; joined when the test ends.

    Its attribute `threads` has those threads.
    """
    threads: list[threading.Thread] = []

    def start(fn: Callable[..., Any], *args: Any) -> concurrent.futures.Future[Any]:
        outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()
        threads.append(threading.Thread(target=_settle, args=(outcome, fn, args), daemon=True))
        threads[-1].start()
        return outcome

    start.threads = threads  # type: ignore[attr-defined]
    yield start
    gates.open_all()
    for thread in threads:
        thread.join()


def _settle(
    outcome: concurrent.futures.Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    try:
        outcome.set_result(fn(*args))
    except BaseException as error:
        outcome.set_exception(error)


@pytest.fixture
def new_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], gates: Gates
) -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """Makes loops; the gates are opened before a loop waits for its threads."""
    yield new_loop
    gates.open_all()


@pytest.fixture(params=["nalsil", "asyncio"])
def each_loop(request: pytest.FixtureRequest, gates: Gates) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of nalsil's, then one of asyncio's; ended as `asyncio.run` ends them."""
    factory = importlib.import_module(request.param).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.get_loop()
        gates.open_all()


@pytest.fixture
def small_loop(
    each_loop: asyncio.AbstractEventLoop,
    new_pool: Callable[..., concurrent.futures.ThreadPoolExecutor],
) -> asyncio.AbstractEventLoop:
    """As `each_loop`; its default executor has two workers, so that jobs can be made to queue."""
    each_loop.set_default_executor(new_pool(2))
    return each_loop


@pytest.fixture
def to_thread(module: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    return module.to_thread


@pytest.fixture
def begun(
    until: Callable[[Callable[[], object]], Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """`await begun(gate, n)` runs the loop until n more jobs wait at the gate."""

    async def wait(gate: Gate, count: int = 1) -> None:
        for _ in range(count):
            await until(gate.has_begun)

    return wait
