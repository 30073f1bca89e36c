"""Runs many modules, some at a time, and tells what goes on."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from .supervise import Outcome
from .tables import Scope, first_match, load_exceptions, load_scope
from .verdicts import PASSED, SKIPPED, Report, Settings, run_module

# Started first, so that a long one is not alone at the end.
LONG = ("test_events", "test_streams", "test_ssl", "test_tasks", "test_subprocess", "test_sendfile")


def has_suite() -> bool:
    """Whether this Python came with its own tests."""
    return importlib.util.find_spec("test") is not None and exists("test.test_asyncio")


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def existing(modules: Iterable[str]) -> list[str]:
    """Those of the modules that the running Python has."""
    return [name for name in modules if exists(f"test.test_asyncio.{name}")]


class Session:
    """A run of modules in `jobs` threads, each of which watches one child process at a time."""

    def __init__(self, settings: Settings, jobs: int, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.scope: Scope = load_scope()
        self.exceptions = load_exceptions()
        self.threads = ThreadPoolExecutor(jobs, thread_name_prefix="conformance")
        self.stopping = threading.Event()
        self.done: dict[str, int] = {}
        self.futures: dict[str, Future[Report]] = {}

    def start(self, modules: Iterable[str]) -> dict[str, Future[Report]]:
        for name in sorted(modules, key=lambda name: (name not in LONG, name)):
            self.futures[name] = self.threads.submit(self.run, name)
        return self.futures

    def close(self) -> None:
        """End what still runs; returns when no child process is left."""
        self.stopping.set()
        self.threads.shutdown(cancel_futures=True)

    def run(self, name: str) -> Report:
        started = time.monotonic()
        self.done[name] = 0

        def progress(outcome: Outcome) -> None:
            self.done[name] += 1
            if self.is_news(outcome):
                self.say(f"  {outcome.outcome:<7} {outcome.test}")

        report = run_module(
            name,
            self.settings,
            self.scope,
            self.exceptions,
            progress=progress,
            stopping=self.stopping.is_set,
        )
        report.seconds = time.monotonic() - started
        count = self.done.pop(name)
        self.say(f"{name}: {count} tests in {report.seconds:.1f} s")
        return report

    def is_news(self, outcome: Outcome) -> bool:
        """Whether the outcome may turn out to be a failure."""
        excepted = self.settings.strict and first_match(self.exceptions, outcome.test)
        return outcome.outcome not in (PASSED, SKIPPED) and not excepted

    def status(self) -> str:
        """Which modules run and how many of their tests have ended."""
        return ", ".join(f"{name} {count} done" for name, count in list(self.done.items()))
