"""The clock of one measurement: wall and CPU time, context switches, right answers."""

import gc
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of the warm-up, which does not count, and of the measurement."""

    warmup: float
    seconds: float

    def longer(self, factor: float) -> "Timing":
        """The same warm-up, and `factor` times the time that counts."""
        return Timing(self.warmup, self.seconds * factor)


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process has used so far, with all its threads, ended ones included."""

    seconds: float
    cpu_seconds: float
    voluntary: int
    involuntary: int

    @classmethod
    def now(cls) -> "Usage":
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(time.perf_counter(), time.process_time(), used.ru_nvcsw, used.ru_nivcsw)

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.seconds - earlier.seconds,
            self.cpu_seconds - earlier.cpu_seconds,
            self.voluntary - earlier.voluntary,
            self.involuntary - earlier.involuntary,
        )


def taken(operations: float, used: Usage, **extra: float) -> dict[str, Any]:
    """One measurement as plain data."""
    return {
        "operations": operations,
        "seconds": used.seconds,
        "cpu_seconds": used.cpu_seconds,
        "voluntary": used.voluntary,
        "involuntary": used.involuntary,
        "extra": extra,
    }


class Meter:
    """Says how often a batch is to be repeated, and what the repetitions took.

    `for _ in meter.turns(): meter.add(run(count), of=count)`, in a thread or in a coroutine.
    """

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.operations = 0
        self.used: Usage | None = None

    def turns(self) -> Iterator[None]:
        """One turn per batch: first those of the warm-up, then those that count.

        The collector stays on, as in a program, but does not look at what was there before.
        """
        yield from _for_seconds(self.timing.warmup)
        gc.collect()
        gc.freeze()
        self.operations = 0
        before = Usage.now()
        yield from _for_seconds(self.timing.seconds)
        self.used = Usage.now() - before

    def add(self, right: int, *, of: int) -> None:
        """Count a batch of `of` operations, `right` of which gave the right answer.

        Raises:
            RuntimeError: an answer was wrong or is missing.
        """
        if right != of:
            raise RuntimeError(f"{right} right answers of {of}")
        self.operations += of

    def result(self) -> dict[str, Any]:
        """What the turns that counted took."""
        assert self.used is not None
        return taken(self.operations, self.used)


def _for_seconds(seconds: float) -> Iterator[None]:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The middle of `seconds` and what 99 of 100 stay under, in microseconds."""
    hundredths = quantiles(seconds, n=100, method="inclusive")
    return {"p50": hundredths[49] * 1e6, "p99": hundredths[98] * 1e6}
