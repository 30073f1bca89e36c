"""One measurement: a row, a loop and a round, in processes that nothing else has run in."""

import json
import os
import select
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals
from typing import IO, Any

from rows import Row

BENCHES = Path(__file__).parent
START_SECONDS = 15.0
SPARE_SECONDS = 15.0
"""How much longer than planned a measurement may take before it counts as hung."""

ENDING_SECONDS = 0.5
"""How long a process that has stopped answering gets to end on its own."""

MANY_CONNECTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of the warm-up, which does not count, and of the measurement."""

    warmup: float
    seconds: float

    def of(self, row: Row) -> "Timing":
        """Twice the time where one message for each connection already takes a good part of it."""
        factor = 2 if row.connections >= MANY_CONNECTIONS else 1
        return Timing(self.warmup, self.seconds * factor)


@dataclass(frozen=True, slots=True)
class Cores:
    """The processors the server and the client stay on, -1 for any."""

    server: int = -1
    client: int = -1

    @classmethod
    def apart(cls) -> "Cores":
        """The first two processors this process may use, if there are two."""
        free = sorted(os.sched_getaffinity(0))
        return cls(free[0], free[1]) if len(free) > 1 else cls()


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out: operations in so many seconds, and the CPU seconds the loop's process took.

    `client_busy` is the part of the time in which the client used its processor, `None` without
    a client. With an `error` the numbers mean nothing.
    """

    row: str
    loop: str
    round: int
    operations: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    client_busy: float | None = None
    error: str | None = None

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """CPU microseconds per operation."""
        return self.cpu_seconds / self.operations * 1e6

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data; `Measurement(**data)` is the way back."""
        return asdict(self)


class FailedError(Exception):
    """A process hung, crashed or complained; the text says which and how."""


def measure(row: Row, loop: str, number: int, timing: Timing, cores: Cores) -> Measurement:
    """Measure `row` on `loop` in round `number`. What goes wrong becomes the result's `error`."""
    timing = timing.of(row)
    environment = {**os.environ, "PYTHONHASHSEED": str(number)}
    try:
        if row.client is None:
            taken = _alone(row, loop, timing, environment)
        else:
            taken = _served(row, loop, timing, cores, environment)
        if not taken["operations"]:
            raise FailedError("nothing was done in the time given")
    except FailedError as failure:
        return Measurement(row.name, loop, number, error=str(failure))
    return Measurement(row.name, loop, number, **taken)


def _alone(row: Row, loop: str, timing: Timing, environment: dict[str, str]) -> dict[str, Any]:
    times = (str(timing.warmup), str(timing.seconds))
    with _Child(environment, row.module, row.work, loop, *times) as child:
        return child.result(timing)


def _served(
    row: Row, loop: str, timing: Timing, cores: Cores, environment: dict[str, str]
) -> dict[str, Any]:
    place = (str(row.size), str(cores.server))
    with _Child(environment, "workloads.servers", row.work, loop, *place) as server:
        host, port = server.line(START_SECONDS).split()
        asked = (host, port, server.process.pid, row.connections, row.size)
        told = (*asked, timing.warmup, timing.seconds, cores.client)
        arguments = (row.client or "", *map(str, told))
        with _Child(environment, "workloads.client", *arguments) as client:
            try:
                return client.result(timing)
            except FailedError as failure:
                raise FailedError(f"{failure}; server: {server.ending()}") from None


class _Child:
    """A fresh interpreter that runs one module, killed when the `with` block ends."""

    def __init__(self, environment: dict[str, str], module: str, *arguments: str) -> None:
        self.module = module
        # A file takes any number of complaints; a pipe that nobody reads would stop the child.
        self.complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at exit
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=BENCHES,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
        )

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.complaints.close()

    def line(self, seconds: float) -> str:
        """The next line it prints, waited for at most `seconds`."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            raise FailedError(f"`{self.module}` hung: no word for {seconds:.0f} s")
        line = self.process.stdout.readline().decode()
        if not line:
            raise FailedError(f"`{self.module}`: {self.ending()}")
        return line

    def result(self, timing: Timing) -> dict[str, Any]:
        """The line of JSON it prints at its end."""
        taken: dict[str, Any] = json.loads(
            self.line(timing.warmup + timing.seconds + SPARE_SECONDS)
        )
        return taken

    def ending(self) -> str:
        """How it ended, if it has, and its last complaint."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_SECONDS)
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return ": ".join([_how_it_ended(self.process.poll()), *lines[-1:]])


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "still running"
    return f"killed by {Signals(-status).name}" if status < 0 else f"exit status {status}"
