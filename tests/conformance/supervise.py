"""Runs the tests of one module in child processes and contains what hangs or crashes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")
GRACE_SECONDS = 1.0
POLL_SECONDS = 0.25
KEPT_CHARACTERS = 20_000
# They change what the tests expect of a fresh interpreter.
DROPPED_VARIABLES = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONWARNINGS")


@dataclasses.dataclass
class Outcome:
    """What became of one test: `passed`, `failed`, `skipped`, `hang` or `crash`."""

    test: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0
    loops: int = 0
    pools: int = 0
    stock_loops: int = 0
    stock_pools: int = 0
    static: bool = False


@dataclasses.dataclass(frozen=True)
class Target:
    """A module of a suite, and where its tests are if not in this Python."""

    suite: str
    module: str
    folder: Path | None = None


@dataclasses.dataclass
class Plan:
    """All tests of a module, or why the module is skipped."""

    tests: list[str] = dataclasses.field(default_factory=list)
    skipped: str | None = None


Progress = Callable[[Outcome], None]


class Stopped(Exception):
    """The run was asked to end."""


class CannotStart(Exception):
    """No test of a module could be run, the loop or the module being broken."""


class Child:
    """One process that runs tests; gives its events and knows why they ended."""

    def __init__(self, loop: str, target: Target, wanted: list[str], seconds: float) -> None:
        self.seconds = seconds
        self.hung = False
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.reading, writing = os.pipe()
        home = Path(self.folder.name)
        self.stacks = home / "stacks"
        self.output = home / "output"
        (home / "work").mkdir()
        (home / "wanted").write_text("\n".join(wanted))
        with (home / "wanted").open() as names, self.output.open("wb") as output:
            tests = (target.suite, target.module, target.folder or "")
            told = (loop, *tests, str(seconds), str(writing), self.stacks)
            self.process = subprocess.Popen(
                [sys.executable, "-P", CHILD, *told],
                cwd=home / "work",
                env={k: v for k, v in os.environ.items() if k not in DROPPED_VARIABLES},
                stdin=names,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                start_new_session=True,
            )
        os.close(writing)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        os.close(self.reading)
        self.folder.cleanup()

    def kill(self) -> None:
        """End the process and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def events(self, stopping: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """The events up to the end of the process; `hung` tells that it had to be killed."""
        rest = b""
        deadline = self.next_deadline()
        while True:
            if stopping():
                raise Stopped
            data = self.read()
            if data:
                deadline = self.next_deadline()
                *lines, rest = (rest + data).split(b"\n")
                yield from map(json.loads, lines)
            elif self.process.poll() is not None:
                return
            elif time.monotonic() > deadline:
                self.hung = True
                self.kill()

    def next_deadline(self) -> float:
        return time.monotonic() + self.seconds + GRACE_SECONDS

    def read(self) -> bytes:
        """What came in a short while; nothing is not the end of the process.

        A process that the tests started may hold the pipe open longer than the child lives, and
        one that lives on may close it: only the child's own end counts.
        """
        ready, _, _ = select.select([self.reading], [], [], POLL_SECONDS)
        data = os.read(self.reading, 1 << 16) if ready else b""
        if ready and not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(POLL_SECONDS)
        return data

    def why(self) -> str:
        """How the process ended, with the stacks of its threads and the end of its output."""
        code = self.process.returncode
        ended = (
            f"nothing happened for {self.seconds:g} s"
            if self.hung
            else f"killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with status {code}"
        )
        parts = [ended]
        for title, path in (("stacks", self.stacks), ("output", self.output)):
            text = path.read_text(errors="replace") if path.exists() else ""
            if text.strip():
                parts.append(f"--- {title} ---\n{text[-KEPT_CHARACTERS:].rstrip()}")
        return "\n".join(parts)


class Module:
    """The run of one module on one loop, over as many child processes as it takes."""

    def __init__(
        self,
        target: Target,
        loop: str,
        *,
        seconds: float,
        progress: Progress = lambda outcome: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.target = target
        self.name = target.module
        self.loop = loop
        self.seconds = seconds
        self.progress = progress
        self.stopping = stopping
        self.plan: Plan | None = None
        self.outcomes: dict[str, Outcome] = {}
        self.fixtures: list[dict[str, Any]] = []

    def list_tests(self) -> Plan:
        """The tests of the module; runs none.

        Raises:
            CannotStart: the loop could not be put in place, or the module not imported.
        """
        with self.child(["none"]) as child:
            for event in child.events(self.stopping):
                self.take(event)
            if self.plan is None:
                raise CannotStart(f"cannot list the tests of `{self.name}`: {child.why()}")
        return self.plan

    def run(self, wanted: list[str]) -> list[Outcome]:
        """Run the wanted tests; each has exactly one outcome, whatever happens."""
        pending = list(wanted)
        while pending:
            before = len(self.outcomes)
            with self.child(pending) as child:
                self.follow(child, pending)
            pending = [test for test in wanted if test not in self.outcomes]
            if len(self.outcomes) == before:
                for test in pending:
                    self.end(Outcome(test, "crash", "no process got as far as this test"))
                break
        return list(self.outcomes.values())

    def child(self, wanted: list[str]) -> Child:
        return Child(self.loop, self.target, wanted, self.seconds)

    def follow(self, child: Child, pending: list[str]) -> None:
        """Take the events of one child; blame the right test when it does not end well."""
        current = None
        ended = False
        broken = ""
        for event in child.events(self.stopping):
            if event["event"] in ("start", "stop"):
                current = event["test"]
            ended = ended or event["event"] == "end"
            broken = event["detail"] if event["event"] == "broken" else broken
            self.take(event)
        if ended and child.process.returncode == 0:
            self.account_for_fixtures(pending)
            return
        outcome = "hang" if child.hung else "crash"
        blamed = [current] if current else self.first_to_run(pending)
        for test in blamed:
            self.blame(test, outcome, broken + child.why(), late=ended)

    def first_to_run(self, pending: list[str]) -> list[str]:
        """The tests to blame when a process ends before any: a class, or all without a plan."""
        if self.plan is None:
            return pending
        owner = pending[0].rpartition(".")[0]
        return [test for test in pending if test.rpartition(".")[0] == owner]

    def take(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "plan":
            self.plan = Plan(event["tests"])
        elif kind == "skip":
            self.plan = Plan(skipped=event["detail"])
        elif kind == "fixture" and event["what"].startswith("setUp"):
            self.fixtures.append(event)
        elif kind == "fixture":
            self.end(Outcome(f"{self.name}.{event['what']}", event["outcome"], event["detail"]))
        elif kind == "stop":
            self.end(Outcome(**event))

    def end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.test] = outcome
        self.progress(outcome)

    def blame(self, test: str, outcome: str, detail: str, *, late: bool) -> None:
        """Record a hang or a crash in `test`, or after it when it has ended already."""
        when = "in the test"
        if test in self.outcomes:
            when = "when the interpreter ended" if late else "after the test ended"
        earlier = self.outcomes.get(test)
        if earlier is not None and earlier.outcome not in ("passed", "skipped"):
            detail = f"{detail}\n--- before that ---\n{earlier.detail}"
        seconds = self.seconds if outcome == "hang" else 0.0
        self.end(Outcome(test, outcome, f"{when}: {detail}", seconds))

    def account_for_fixtures(self, pending: list[str]) -> None:
        """Give tests that never started the outcome of the fixture that kept them from it."""
        for test in pending:
            if test in self.outcomes:
                continue
            owner = test.rpartition(".")[0]
            for event in self.fixtures:
                if f".{owner})" in event["what"] or f".{self.name})" in event["what"]:
                    detail = f"{event['what']}\n{event['detail']}"
                    self.end(Outcome(test, event["outcome"], detail))
                    break
