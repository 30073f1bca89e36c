"""What every test shares: the loop under test, its hang guard and its leak checks.

The loop under test is nalsil's. `NALSIL_TEST_LOOP=asyncio` (or `uvloop`) runs the same tests on
another loop: what they state is asyncio's behaviour, so the stock loop has to pass them too. Tests
of what only nalsil does carry the mark `nalsil_only` and are deselected then.

A test may be `async def`; it then runs on the loop of the fixture `loop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import importlib
import inspect
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest

CHOSEN = os.environ.get("NALSIL_TEST_LOOP", "nalsil")
HANG_SECONDS = float(os.environ.get("NALSIL_TEST_HANG_SECONDS", "60"))

MARKS = (
    "nalsil_only: behaviour that only nalsil has; deselected on another loop",
    "stock_since(*version): the stock loop behaves so since this Python, nalsil on every one",
    "hang_after(seconds): the hang guard of a test that may take longer than a minute",
    "logs_errors: the test makes the loop log errors on purpose",
)


class Hang(KeyboardInterrupt):
    """The hang guard's exception: a KeyboardInterrupt, so that no loop may swallow it."""


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise pytest.UsageError(
            f"cannot import `{name}`, the loop under test: {error}; "
            "hint: install it, or set `NALSIL_TEST_LOOP=asyncio`"
        ) from error
    return module.new_event_loop


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background with the signal ignored; tests send it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    for category in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
        config.addinivalue_line("filterwarnings", f"error::{category}")
    config.stash[_stderr] = os.dup(2)
    # The first loop of a process may open what stays open; it must not count as a test's leak.
    # Without nalsil, only the tests that want a loop fail.
    with contextlib.suppress(pytest.UsageError):
        _factory(CHOSEN)().close()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _stderr in config.stash:
        os.close(config.stash[_stderr])


def pytest_report_header() -> str:
    return f"loop under test: {CHOSEN}"


_stderr = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CHOSEN == "nalsil":
        return
    dropped = [item for item in items if item.get_closest_marker("nalsil_only")]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]
    for item in items:
        for mark in item.iter_markers("stock_since"):
            if sys.version_info < mark.args:
                version = ".".join(map(str, mark.args))
                item.add_marker(pytest.mark.skip(reason=f"the stock loop does so since {version}"))


def pytest_collection_finish() -> None:
    # What is here now stays: the collection after each test need not look through it.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    if name.startswith("test") and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("run")(obj)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function):
        run = pyfuncitem.funcargs["run"]
        pyfuncitem.obj = lambda **arguments: run(function(**arguments))
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


def _guarded(item: pytest.Item) -> Generator[None, object, object]:
    mark = item.get_closest_marker("hang_after")
    seconds = mark.args[0] if mark else HANG_SECONDS
    try:
        with hang_guard(seconds, item.config.stash[_stderr]):
            return (yield)
    except Hang:
        pytest.fail(f"hangs: not done after {seconds:.0f} s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@contextlib.contextmanager
def hang_guard(seconds: float, stderr: int) -> Iterator[None]:
    """Dump every thread and raise `Hang` after `seconds`; end the process 30 s later."""

    def on_alarm(signum: int, frame: object) -> None:
        faulthandler.dump_traceback(stderr)
        raise Hang

    previous = signal.signal(signal.SIGALRM, on_alarm)
    faulthandler.dump_traceback_later(seconds + 30, exit=True, file=stderr)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, previous)


def open_descriptors() -> dict[int, str]:
    """The open descriptors of this process and what each stands for."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def new_descriptors(before: dict[int, str]) -> dict[int, str]:
    """The descriptors open now that were not open `before`."""
    return {fd: what for fd, what in open_descriptors().items() if before.get(fd) != what}


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaks descriptors, closes those of others or makes a loop log errors.

    A loop reports to the logger `asyncio` what it can tell nobody else.
    """
    errors = _Errors()
    logger = logging.getLogger("asyncio")
    logger.addHandler(errors)
    before = open_descriptors()
    yield
    gc.collect()
    logger.removeHandler(errors)
    leaked = new_descriptors(before)
    closed = {fd: what for fd, what in before.items() if fd not in open_descriptors()}
    assert not leaked, f"the test leaked descriptors: {leaked}"
    assert not closed, f"the test closed descriptors of others: {closed}"
    if not request.node.get_closest_marker("logs_errors"):
        assert not errors.lines, "the loop logged errors:\n" + "\n".join(errors.lines)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop as `asyncio.Runner` does: tasks cancelled, generators and threads ended."""
    if loop.is_closed():
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    try:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True)) if tasks else None
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


@pytest.fixture
def new_loop() -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """Makes loops of the kind under test; each is closed when the test ends."""
    made: list[asyncio.AbstractEventLoop] = []
    factory = _factory(CHOSEN)

    def make() -> asyncio.AbstractEventLoop:
        made.append(factory())
        return made[-1]

    yield make
    for loop in made:
        _end(loop)


@pytest.fixture
def loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    return new_loop()


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on the loop of the fixture `loop` and gives its result."""
    return loop.run_until_complete


@pytest.fixture
def reported(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
    """The contexts that reached the exception handler of `loop`."""
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    return contexts


@pytest.fixture
def turns() -> Callable[[int], Coroutine[Any, Any, None]]:
    """`await turns(n)` lets the running loop make n turns."""

    async def wait(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return wait


@pytest.fixture
def until(
    loop: asyncio.AbstractEventLoop,
) -> Callable[[Callable[[], object]], Coroutine[Any, Any, None]]:
    """`await until(condition)` runs the loop until that holds; the hang guard bounds it."""

    async def wait(condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python source, which finds `new_event_loop` defined, in an interpreter of its own."""

    def execute(source: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *options, "-c", program_text(source)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )

    return execute


@pytest.fixture
def start_program() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts Python source as `program` does, with pipes; ended with the test."""
    with contextlib.ExitStack() as running:

        def start(source: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", program_text(source)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start


def program_text(source: str) -> str:
    """`source` with `new_event_loop` of the loop under test before it."""
    return f"from {CHOSEN} import new_event_loop\n" + textwrap.dedent(source)
