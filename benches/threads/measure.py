"""One measurement: a row, a contender, a placement and a round, in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

from threads.meter import Timing
from threads.rows import PINNED, TWO_CORES

BENCHES = Path(__file__).parents[1]
HUNG_SECONDS = 40.0
"""So long a measurement may take, all told, before it counts as hung."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out: operations, and the wall time, CPU time and context switches they took.

    CPU seconds and switches are those of the whole process. `extra` holds by measure what some
    rows measure besides. With an `error` the numbers mean nothing.
    """

    row: str
    contender: str
    placement: str
    round: int
    operations: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    extra: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data; `Measurement(**data)` is the way back."""
        return asdict(self)


def placements() -> dict[str, str]:
    """By placement the processors to stay on, as far as this process may use so many."""
    free = [str(core) for core in sorted(os.sched_getaffinity(0))]
    found = {PINNED: free[0]}
    if len(free) > 1:
        found[TWO_CORES] = ",".join(free[:2])
    return found


def measure(row: str, contender: str, placement: str, number: int, timing: Timing) -> Measurement:
    """Measure in round `number`. What goes wrong becomes the result's `error`."""
    cell = (row, contender, placement, number)
    told = (row, contender, placements()[placement], str(timing.warmup), str(timing.seconds))
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "threads.child", *told],
            cwd=BENCHES,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=HUNG_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Measurement(*cell, error=f"hung: no result in {HUNG_SECONDS:.0f} s")
    if ended.returncode:
        return Measurement(*cell, error=_how_it_ended(ended.returncode, ended.stderr))
    return Measurement(*cell, **json.loads(ended.stdout))


def _how_it_ended(status: int, complaints: str) -> str:
    ending = f"killed by {Signals(-status).name}" if status < 0 else f"exit status {status}"
    return ": ".join([ending, *complaints.strip().splitlines()[-1:]])
