"""Steps that run two at a time: one line each, a log file each, nothing done twice.

Most steps wait for as long as they compute. One that uses the whole machine, or measures it, runs
alone.

A step with `inputs` is kept from an earlier run while its key (a hash of what goes in), what it
made, and every step it needs are unchanged. A step whose needed step failed is not run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools.pythons import ROOT

SIDE_BY_SIDE = 2
"""How many steps run at the same time."""

TAIL_LINES = 60
"""How many lines of a failed step's log are shown."""

HEARTBEAT_SECONDS = 60
"""How often a long step says that it still runs where the output is no terminal."""

NOT_INHERITED = (
    "CONDA_PREFIX",
    "MAKEFLAGS",
    "MFLAGS",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
"""Variables that would bend a step to the caller's environment (or make's job server)."""

CLOSING = re.compile(r"=+ .*\bin \d[\d.]*s\b.*=+|test result: .*")
"""The closing lines of pytest and of `cargo test`."""


class StepFailed(Exception):
    """A step did not do what it is for; the text says why."""


@dataclass
class Shell:
    """Runs the commands of one step, everything they print going to the step's log."""

    log: Path
    seconds: float
    """How long the step may take before it counts as hung."""
    stopped: threading.Event
    """Set when no more commands are to begin."""
    process: subprocess.Popen[bytes] | None = None
    """What runs."""

    def run(self, *command: str | Path, **variables: str) -> None:
        """Run a command in the repository's root with `variables` added to the environment.

        Raises:
            StepFailed: it cannot be started, ends with an error or takes too long.
        """
        self.say("$ " + " ".join([*(f"{k}={v}" for k, v in variables.items()), _quoted(command)]))
        with self.log.open("a") as log:
            if self.stopped.is_set():
                raise StepFailed("ended")
            try:
                process = self.process = _start(command, variables, log)
            except OSError as error:
                raise StepFailed(f"cannot start `{command[0]}`: {error.strerror}") from error
            try:
                if self.stopped.is_set():
                    raise StepFailed("ended")
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                raise StepFailed(f"still not done after {self.seconds:.0f} s: ended") from None
            finally:
                self.end()
        if code != 0:
            raise StepFailed(f"`{_quoted(command)}` ended with {code}")

    def end(self) -> None:
        """End the command's whole group, so that nothing it started outlives it."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def say(self, text: str) -> None:
        """Write a line of our own into the log."""
        with self.log.open("a") as log:
            print(text, file=log)


@dataclass
class Step:
    """One line of the table."""

    name: str
    action: Callable[[Shell], None]
    needs: Sequence[str] = ()
    inputs: Callable[[], str] | None = None
    """Gives the key under which the outcome is kept; None: the step runs every time."""
    makes: Path | None = None
    """Must still exist for the outcome to be kept."""
    seconds: float = 2700
    alone: bool = False
    """It uses the whole machine, or measures it: nothing runs beside it."""


@dataclass
class Outcome:
    """How a step ended: `ok`, `kept`, `FAILED` or `not run`."""

    state: str
    closing: list[str] = field(default_factory=list)


class Board:
    """Runs steps and tells about them; `state` is the folder for logs and stamps."""

    def __init__(self, state: Path, *, keep: bool) -> None:
        self.state = state
        self.keep = keep
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[str, Running] = {}
        self.stopped = threading.Event()
        self.progress = _Progress(self.running)
        self.started = time.monotonic()

    def run(self, steps: Iterable[Step]) -> bool:
        """Run the steps, each when what it needs is done; True if all passed."""
        waiting = list(steps)
        futures: dict[Future[Outcome], Step] = {}
        with self.progress, ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            try:
                while waiting or futures:
                    running = list(futures.values())
                    if step := self._next(waiting, running):
                        waiting.remove(step)
                        futures[threads.submit(self._outcome, step)] = step
                        continue
                    if not futures:
                        raise LookupError(f"`{waiting[0].name}` needs a step that is not there")
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        self.outcomes[futures.pop(future).name] = future.result()
            except BaseException:
                self.stopped.set()
                for each in self.running.copy().values():
                    each.shell.end()
                raise
        return all(outcome.state in ("ok", "kept") for outcome in self.outcomes.values())

    def _next(self, waiting: list[Step], running: list[Step]) -> Step | None:
        """The first step that has what it needs, if it may begin now."""
        ready = (step for step in waiting if all(name in self.outcomes for name in step.needs))
        step = next(ready, None)
        if step is None or len(running) == SIDE_BY_SIDE:
            return None
        if running and (step.alone or any(each.alone for each in running)):
            return None
        return step

    def summarise(self) -> None:
        """Print what the test runners closed with, then what did not pass."""
        tested = {name: outcome for name, outcome in self.outcomes.items() if outcome.closing}
        if tested:
            print("\nclosing lines of the test runners")
        for name, outcome in tested.items():
            print(f"{name}{' (kept from an earlier run)' if outcome.state == 'kept' else ''}")
            print("\n".join(outcome.closing))
        print()
        for name, outcome in self.outcomes.items():
            if outcome.state in ("FAILED", "not run"):
                print(f"{outcome.state}: {name}")
        states = [outcome.state for outcome in self.outcomes.values()]
        kept = states.count("kept")
        note = f" ({kept} kept from an earlier run)" if kept else ""
        took = _duration(time.monotonic() - self.started)
        passed = f"{states.count('ok') + kept} of {len(states)} steps passed"
        print(f"{passed}{note} in {took}", flush=True)

    def _outcome(self, step: Step) -> Outcome:
        missing = [n for n in step.needs if self.outcomes[n].state in ("FAILED", "not run")]
        if missing:
            self.progress.line("not run", step.name, None, f"needs `{missing[0]}`")
            return Outcome("not run")
        key = step.inputs() if step.inputs else None
        stamp = self._path("stamps", step, ".json")
        kept = self._kept(step, key, stamp)
        if kept is not None:
            self.progress.line("kept", step.name, None, _counts(kept.closing) or "unchanged")
            return kept
        stamp.unlink(missing_ok=True)
        outcome = self._execute(step)
        if outcome.state == "ok" and key is not None:
            stamp.write_text(json.dumps({"key": key, "closing": outcome.closing}))
        return outcome

    def _kept(self, step: Step, key: str | None, stamp: Path) -> Outcome | None:
        if not self.keep or key is None or not stamp.exists():
            return None
        if any(self.outcomes[name].state != "kept" for name in step.needs):
            return None
        if step.makes is not None and not step.makes.exists():
            return None
        stored = json.loads(stamp.read_text())
        return Outcome("kept", stored["closing"]) if stored["key"] == key else None

    def _execute(self, step: Step) -> Outcome:
        log = self._path("logs", step, ".log")
        log.write_text("")
        began = time.monotonic()
        shell = Shell(log, step.seconds, self.stopped)
        self.running[step.name] = Running(shell, began)
        try:
            step.action(shell)
            failure = None
        except StepFailed as error:
            failure = str(error)
        finally:
            del self.running[step.name]
        seconds = time.monotonic() - began
        closing = _closing_lines(log)
        more = _failure_lines(failure, log) if failure else []
        self.progress.line(
            "FAILED" if failure else "ok", step.name, seconds, _counts(closing), more
        )
        return Outcome("FAILED" if failure else "ok", closing)

    def _path(self, folder: str, step: Step, suffix: str) -> Path:
        path = self.state / folder / (re.sub(r"[^\w.]+", "-", step.name) + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@dataclass
class Running:
    """A step that runs."""

    shell: Shell
    began: float
    """Second of the monotonic clock."""


class _Progress:
    """Shows what runs: a line rewritten on a terminal, a line a minute for each step elsewhere."""

    def __init__(self, running: Mapping[str, Running]) -> None:
        self.running = running
        self.terminal = sys.stdout.isatty()
        self.lock = threading.Lock()
        self.done = threading.Event()

    def __enter__(self) -> None:
        self.done.clear()
        self.thread = threading.Thread(target=self._show, daemon=True)
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def line(
        self, state: str, name: str, seconds: float | None, note: str, more: Sequence[str] = ()
    ) -> None:
        """Print how a step has ended, and what there is to say of it."""
        took = "" if seconds is None else f"{seconds:.1f} s"
        text = f"  {state:<9}{name:<34}{took:>9}  {note}".rstrip()
        with self.lock:
            print("\r\x1b[K" * self.terminal + "\n".join([text, *more]), flush=True)

    def _show(self) -> None:
        while not self.done.wait(1 if self.terminal else HEARTBEAT_SECONDS):
            now = time.monotonic()
            steps = [(name, now - each.began, each) for name, each in [*self.running.items()]]
            with self.lock:
                if self.terminal:
                    shown = "   ".join(f"{name} {seconds:.0f} s" for name, seconds, _ in steps)
                    width = shutil.get_terminal_size().columns - 12
                    print(f"\r\x1b[K  ...      {shown[:width]}", end="", flush=True)
                    continue
                for name, seconds, each in steps:
                    last = _last_line(each.shell.log)
                    print(f"  ...      {name:<34}{seconds:7.0f} s  {last}", flush=True)
        if self.terminal:
            print("\r\x1b[K", end="", flush=True)


def chosen(steps: list[Step], words: list[str], module: str) -> list[Step]:
    """The steps whose name contains one of `words` (all, if there are none), and their needs.

    Raises:
        SystemExit: there is none; `module` shows them.
    """
    if not words:
        return steps
    wanted = {step.name for step in steps if any(word in step.name for word in words)}
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.needs)
    if not wanted:
        raise SystemExit(
            f"cannot find a step for `{' '.join(words)}`\n"
            f"hint: `python3 -m {module} --list` shows them"
        )
    return [step for step in steps if step.name in wanted]


def key_of(*parts: str | Path | Iterable[Path]) -> str:
    """A hash over texts and over the names and contents of files and folders."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode() + b"\0")
            continue
        for path in files_under(*([part] if isinstance(part, Path) else part)):
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_under(*paths: Path) -> list[Path]:
    """The files that `paths` name or hold, without what Python leaves behind, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_file():
            found.append(path)
        for folder, folders, names in os.walk(path):
            folders[:] = [n for n in folders if n != "__pycache__" and not n.startswith(".")]
            found += [Path(folder, n) for n in names if not n.endswith((".pyc", ".so"))]
    return sorted(found)


def _quoted(command: Sequence[str | Path]) -> str:
    return shlex.join(map(str, command))


def _start(
    command: Sequence[str | Path], variables: Mapping[str, str], log: IO[str]
) -> subprocess.Popen[bytes]:
    inherited = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED}
    inherited["CARGO_TERM_COLOR"] = "never"
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _failure_lines(failure: str, log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    before = len(lines) - TAIL_LINES
    more = [f"    | ({before} lines before these are in the log)"] if before > 0 else []
    shown = [f"    | {line}" for line in lines[-TAIL_LINES:]]
    return [*more, *shown, f"    {failure}", f"    log: {log.relative_to(ROOT)}"]


def _closing_lines(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if CLOSING.fullmatch(line)]


def _counts(closing: Sequence[str]) -> str:
    """`41 passed, 2 failed` over all closing lines of a step."""
    totals: dict[str, int] = {}
    for line in closing:
        for count, what in re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed)\b", line):
            totals[what] = totals.get(what, 0) + int(count)
    return ", ".join(f"{count} {what}" for what, count in totals.items() if count)


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip()[:80] for line in reversed(lines) if line.strip()), "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
