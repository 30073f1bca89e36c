"""Runs many modules, some at a time, and tells what goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from .supervise import Outcome, Target
from .tables import Scope, first_match, load_exceptions, load_scope
from .verdicts import PASSED, SKIPPED, Report, Settings, run_module

# Started first, so that a long one is not alone at the end.
LONG = (
    *("test_events", "test_streams", "test_ssl", "test_tasks", "test_subprocess", "test_sendfile"),
    *("test_shutdown", "test_sync", "test_wait"),
)


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

    def start(self, targets: Iterable[Target]) -> dict[str, Future[Report]]:
        """Run the modules; the reports to come by module."""
        for target in sorted(targets, key=lambda one: (one.module not in LONG, one.module)):
            self.futures[target.module] = self.threads.submit(self.run, target)
        return self.futures

    def close(self) -> None:
        """End what still runs; returns when no child process is left."""
        self.stopping.set()
        self.threads.shutdown(cancel_futures=True)

    def run(self, target: Target) -> Report:
        name = target.module
        started = time.monotonic()
        self.done[name] = 0

        def progress(outcome: Outcome) -> None:
            self.done[name] += 1
            if self.is_news(outcome):
                self.say(f"  {outcome.outcome:<7} {outcome.test}")

        report = run_module(
            target,
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
