"""Steps that run one after another: one line each, a log file each, nothing done twice.

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
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools.pythons import ROOT

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

    def run(self, *command: str | Path, **variables: str) -> None:
        """Run a command in the repository's root with `variables` added to the environment.

        Raises:
            StepFailed: it cannot be started, ends with an error or takes too long.
        """
        self.say("$ " + " ".join([*(f"{k}={v}" for k, v in variables.items()), _quoted(command)]))
        with self.log.open("a") as log:
            try:
                process = _start(command, variables, log)
            except OSError as error:
                raise StepFailed(f"cannot start `{command[0]}`: {error.strerror}") from error
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                raise StepFailed(f"still not done after {self.seconds:.0f} s: ended") from None
            finally:
                _end(process)
        if code != 0:
            raise StepFailed(f"`{_quoted(command)}` ended with {code}")

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
    seconds: float = 1800


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
        self.started = time.monotonic()

    def run(self, steps: Iterable[Step]) -> bool:
        """Run the steps in order, a line for each; True if all passed."""
        for step in steps:
            self.outcomes[step.name] = self._outcome(step)
        return all(outcome.state in ("ok", "kept") for outcome in self.outcomes.values())

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
            _line("not run", step.name, None, f"needs `{missing[0]}`")
            return Outcome("not run")
        key = step.inputs() if step.inputs else None
        stamp = self._path("stamps", step, ".json")
        kept = self._kept(step, key, stamp)
        if kept is not None:
            _line("kept", step.name, None, _counts(kept.closing) or "unchanged")
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
        with _Progress(step.name, log):
            try:
                step.action(Shell(log, step.seconds))
                failure = None
            except StepFailed as error:
                failure = str(error)
        seconds = time.monotonic() - began
        closing = _closing_lines(log)
        _line("FAILED" if failure else "ok", step.name, seconds, _counts(closing))
        if failure:
            _show_failure(failure, log)
        return Outcome("FAILED" if failure else "ok", closing)

    def _path(self, folder: str, step: Step, suffix: str) -> Path:
        path = self.state / folder / (re.sub(r"[^\w.]+", "-", step.name) + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Progress:
    """Shows that a step runs: a line rewritten on a terminal, a line a minute elsewhere."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> None:
        self.began = time.monotonic()
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _show(self) -> None:
        terminal = sys.stdout.isatty()
        if terminal:
            print(f"  ...      {self.name}", end="", flush=True)
        while not self.done.wait(1 if terminal else HEARTBEAT_SECONDS):
            seconds = time.monotonic() - self.began
            if terminal:
                print(f"\r  ...      {self.name:<34}{seconds:7.0f} s", end="", flush=True)
            else:
                print(f"  ...      {self.name:<34}{seconds:7.0f} s  {_last_line(self.log)}")
                sys.stdout.flush()
        if terminal:
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


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command's whole group, so that nothing it started outlives it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _line(state: str, name: str, seconds: float | None, note: str) -> None:
    took = "" if seconds is None else f"{seconds:.1f} s"
    print(f"  {state:<9}{name:<34}{took:>9}  {note}".rstrip(), flush=True)


def _show_failure(failure: str, log: Path) -> None:
    lines = log.read_text(errors="replace").splitlines()
    if len(lines) > TAIL_LINES:
        print(f"    | ({len(lines) - TAIL_LINES} lines before these are in the log)")
    for line in lines[-TAIL_LINES:]:
        print(f"    | {line}")
    print(f"    {failure}\n    log: {log.relative_to(ROOT)}", flush=True)


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
