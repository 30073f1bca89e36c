"""Plays a program on one side and gives its transcript.

A transcript is the lines that the program says, what had to be done to it in square brackets, and
how it ended. A program is stuck when its threads are parked and stay so: that is seen in the
kernel's count of their context switches, not by a clock that a loaded machine would outrun.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .programs.asks import INTERRUPT, LET_GO

PROGRAMS = Path(__file__).parent / "programs"

LET_GO_WHEN_STUCK = "[stuck, so the job is let go]"
KILLED_WHEN_STUCK = "[stuck, so it is killed]"

LOOK = 0.02
"""Seconds between two looks at a program's threads."""
PARKED = 0.1
"""Seconds without a context switch after which the main thread waits for something."""
STUCK = 0.5
"""Seconds without a context switch of any thread after which a program is stuck."""
MAIN_STUCK = 2.0
"""The same for the main thread alone, where another thread runs for ever."""
GUARD = 20.0
"""Seconds without a word after which a program that should hold its promise is stuck."""


@dataclass
class Stillness:
    """Since when threads have not moved."""

    seen: object = None
    since: float = field(default_factory=time.monotonic)

    def seconds(self, now: object) -> float:
        """Return for how long the threads have been as they are `now`."""
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        return time.monotonic() - self.since


@dataclass
class Player:
    """A running program and what is known of it."""

    process: subprocess.Popen[bytes]
    patient: bool
    """Whether the program gets time to hold its promise, or is known to be stuck when still."""
    lines: list[str] = field(default_factory=list)
    all_threads: Stillness = field(default_factory=Stillness)
    main_thread: Stillness = field(default_factory=Stillness)
    spoke: float = field(default_factory=time.monotonic)
    pending: bytes = b""

    def play(self) -> list[str]:
        """Read until every process of the program has ended; return the transcript."""
        while self._read():
            self._look()
        self.lines.append(_ending(self.process.wait()))
        return self.lines

    def _read(self) -> bool:
        """Take what the program says within one look; False once nobody can speak any more."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], LOOK)[0]:
            return True
        received = os.read(self.process.stdout.fileno(), 4096)
        *said, self.pending = (self.pending + received).split(b"\n")
        for line in said:
            self._hear(line.decode())
        return bool(received)

    def _hear(self, line: str) -> None:
        self.lines.append(line)
        self.spoke = time.monotonic()
        if line == LET_GO:
            self._let_go()

    def _look(self) -> None:
        threads = dict(_threads(self.process.pid))
        main = self.main_thread.seconds(threads.get(self.process.pid))
        still = self.all_threads.seconds(threads)
        if self.lines[-1:] == [INTERRUPT] and main > PARKED:
            self.lines.append("[interrupted]")
            self.process.send_signal(signal.SIGINT)
        elif self.lines and self._is_stuck(main, still):
            self._help()

    def _is_stuck(self, main: float, still: float) -> bool:
        silent = time.monotonic() - self.spoke
        if self.patient:
            return silent > GUARD
        return min(still, silent) > STUCK or min(main, silent) > MAIN_STUCK

    def _help(self) -> None:
        held = "the job runs" in self.lines and LET_GO_WHEN_STUCK not in self.lines
        self.lines.append(LET_GO_WHEN_STUCK if held else KILLED_WHEN_STUCK)
        self.spoke = time.monotonic()
        if held:
            self._let_go()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)

    def _let_go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


def _ending(code: int) -> str:
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name


def _threads(session: int) -> Iterator[tuple[int, str]]:
    """The threads of a session's processes, each with its state and its context switches."""
    for process in os.listdir("/proc"):
        with contextlib.suppress(ValueError, ProcessLookupError):
            if os.getsid(int(process)) == session:
                yield from _threads_of(Path("/proc", process, "task"))


def _threads_of(tasks: Path) -> Iterator[tuple[int, str]]:
    # Threads end while they are looked at.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in tasks.iterdir():
            status = (task / "status").read_text().splitlines()
            told = [line for line in status if line.startswith("State:\tR") or "_ctxt_" in line]
            # A thread that runs moves, though nobody may have interrupted it yet.
            running = len(told) > 2
            yield int(task.name), f"{told} {time.monotonic()}" if running else str(told)


def play(program: str, side: str) -> tuple[list[str], str]:
    """Play a program, its name and variant, on one side; return the transcript and stderr."""
    name, _, variant = program.partition(".py")
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), side, variant.strip()]
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        ) as process,
    ):
        try:
            lines = Player(process, patient=side == "nalsil").play()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        stderr.seek(0)
        return lines, stderr.read().decode()
