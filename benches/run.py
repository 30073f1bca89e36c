"""Measure event loops, or threads, side by side and write a report.

Every row, loop and round runs in fresh processes. All loops take their turn at a row before the
next row begins, another loop goes first every time, and a round covers all rows before the next
round begins, so that a slow minute of the machine does not land on one loop.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import loops
import machine
import report
import threads.report
import threads.rows
import threads.suite
from measure import Cores, Measurement, Timing, measure
from rows import ROWS, Row, select

FULL = Timing(warmup=0.1, seconds=0.35)
QUICK = Timing(warmup=0.05, seconds=0.15)
ROUNDS, QUICK_ROUNDS = 5, 3
SETTLE = 12
PATIENCE = 2
"""A loop that failed so often at a row is not tried at it again."""

SUITES = ("loops", "threads")
RUNS = Path(__file__).parent / "runs"


@dataclass
class Run:
    """What is asked for, and what has come out so far."""

    rows: list[Row]
    loops: list[str]
    rounds: int
    timing: Timing
    cores: Cores
    left_out: dict[str, str]
    settle: int
    """In how many more rounds rows are measured that are not decided."""
    measurements: list[Measurement] = field(default_factory=list)

    def plan(self) -> Iterator[tuple[int, Row, str]]:
        """Round, row and loop, in the order of the turns."""
        for number in range(self.rounds):
            for position, row in enumerate(self.rows):
                first = (number + position) % len(self.loops)
                for loop in self.loops[first:] + self.loops[:first]:
                    yield number, row, loop

    def given_up(self, row: Row, loop: str) -> bool:
        failed = [
            taken
            for taken in self.measurements
            if taken.row == row.name and taken.loop == loop and taken.error
        ]
        return len(failed) >= PATIENCE

    def measure(self) -> None:
        """Take all measurements, with a line of progress for each."""
        total = len(self.rows) * len(self.loops) * self.rounds
        started = time.monotonic()
        for done, (number, row, loop) in enumerate(self.plan(), start=1):
            left = report.clock((time.monotonic() - started) / done * (total - done + 1))
            self.take(f"[{done:>{len(str(total))}}/{total}, {left} left]", number, row, loop)
        compared = [name for name in self.loops if name in (loops.SUBJECT, *report.YARDSTICKS)]
        for number in range(self.rounds, self.rounds + self.settle):
            known = report.Results(self.results({}))
            undecided = [row for row in self.rows if known.undecided(row.name)]
            for position, row in enumerate(undecided, start=1):
                first = (number + position) % len(compared)
                for loop in compared[first:] + compared[:first]:
                    self.take(f"[undecided: {position}/{len(undecided)}]", number, row, loop)

    def take(self, progress: str, number: int, row: Row, loop: str) -> None:
        if not self.given_up(row, loop):
            taken = measure(row, loop, number, self.timing, self.cores)
            self.measurements.append(taken)
            place = f"round {number + 1}  {row.name:<29} {loop:<8}"
            print(f"{progress} {place} {outcome(taken)}", flush=True)

    def results(self, circumstances: dict[str, str]) -> dict[str, Any]:
        """All that `results.json` holds."""
        pinned = f"server on core {self.cores.server}, client on core {self.cores.client}"
        settings = {
            "rounds": f"{self.rounds}, and up to {self.settle} more for rows that are not decided",
            "each measurement": f"{self.timing.seconds} s after {self.timing.warmup} s of warm-up",
            "processes": pinned if self.cores.server >= 0 else "on any core",
            "garbage collector": "on; what existed before the measurement is frozen",
        }
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": machine.facts() | circumstances,
            "versions": {name: loops.version(name) for name in self.loops} | machine.versions(),
            "settings": settings,
            "loops": self.loops,
            "left_out": self.left_out,
            "measurements": [taken.to_json() for taken in self.measurements],
        }


def outcome(taken: Measurement) -> str:
    if taken.error:
        return f"failed: {taken.error}"
    rate = report.per_second(taken.per_second)
    return f"{rate:>7}/s {report.three_digits(taken.cpu_microseconds):>7} µs CPU"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/run.py", description="Measure event loops, or threads, side by side."
    )
    parser.add_argument(
        "--suite", choices=SUITES, default=SUITES[0], help=f"what to measure; {SUITES[0]}"
    )
    parser.add_argument(
        "--rows",
        metavar="PATTERN",
        help="only rows that match: shell patterns or parts of names, separated by commas",
    )
    parser.add_argument(
        "--loops",
        metavar="NAMES",
        help=f"separated by commas; all that are installed of {', '.join(loops.LOOPS)}"
        f" or, with `--suite threads`, of {', '.join(threads.rows.CONTENDERS)}",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"{ROUNDS}, or {QUICK_ROUNDS} with --quick; {threads.suite.ROUNDS} for threads",
    )
    parser.add_argument(
        "--settle",
        type=int,
        default=SETTLE,
        metavar="N",
        help=f"in how many more rounds, at most, to measure rows that are not decided; {SETTLE}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows, shorter measurements")
    parser.add_argument("--no-pin", action="store_true", help="do not keep processes on one core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="default: runs/<date>-<machine>[-threads] beside this file",
    )
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    options = parser.parse_args(given)
    if options.rounds is not None and options.rounds < 1:
        parser.error("`--rounds` must be 1 or more")
    if options.settle < 0:
        parser.error("`--settle` must be 0 or more")
    if options.no_pin and options.suite == "threads":
        parser.error("`--no-pin` has no meaning for threads, which are measured in two placements")
    return options


def usable_loops(asked: str | None) -> tuple[list[str], dict[str, str]]:
    """The loops to measure and, for those left out, why. A loop asked for by name must work."""
    names = asked.split(",") if asked else list(loops.LOOPS)
    left_out: dict[str, str] = {}
    for name in names:
        if name not in loops.LOOPS:
            sys.exit(f"no loop is called `{name}`\nhint: one of {', '.join(loops.LOOPS)}")
        reason = loops.probe(name)
        if reason and asked:
            hint = f"hint: install it into this interpreter, or leave `{name}` out of `--loops`"
            sys.exit(f"cannot use `{name}`: {reason}\n{hint}")
        if reason:
            left_out[name] = reason
            print(f"without {name}: {reason}")
    return [name for name in names if name not in left_out], left_out


def folder(asked: Path | None, suite: str, *, whole: bool) -> Path:
    """Where to write. A whole run never overwrites another; a part overwrites the part before."""
    if asked:
        return asked
    name = f"{datetime.now(UTC):%Y-%m-%d}-{machine.short_name()}"
    if suite == "threads":
        name += "-threads"
    if not whole:
        return RUNS / f"{name}-part"
    again = 1
    while (RUNS / (name if again == 1 else f"{name}-{again}")).exists():
        again += 1
    return RUNS / (name if again == 1 else f"{name}-{again}")


def prepare(options: argparse.Namespace) -> Run:
    rows = select(options.rows.split(",") if options.rows else [], quick=options.quick)
    if not rows:
        sys.exit(f"no row matches `{options.rows}`\nhint: `--list` prints the names")
    names, left_out = usable_loops(options.loops)
    if not {"uvicorn", "httptools"} <= machine.versions().keys():
        rows = [row for row in rows if row.client != "http"]
        left_out["http"] = "uvicorn and httptools are not both installed"
    return Run(
        rows=rows,
        loops=names,
        rounds=options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS),
        timing=QUICK if options.quick else FULL,
        cores=Cores() if options.no_pin else Cores.apart(),
        left_out=left_out,
        settle=0 if options.quick else options.settle,
    )


def observed(run: Run | threads.suite.Run) -> dict[str, str]:
    """Measure, and tell how busy the machine was with other things meanwhile."""
    load, busy, own = machine.load(), machine.busy_seconds(), machine.own_seconds()
    started = time.monotonic()
    try:
        run.measure()
    except KeyboardInterrupt:
        print("stopped: what has been measured is written", file=sys.stderr)
    others = machine.busy_seconds() - busy - (machine.own_seconds() - own)
    elapsed = time.monotonic() - started
    return {
        "time taken": f"{report.clock(elapsed)} min",
        "load average": f"{load} before, {machine.load()} after",
        "other programs": f"took {max(0.0, others / elapsed):.2f} cores on average",
    }


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    of_threads = options.suite == "threads"
    if options.list:
        rows = threads.rows.ROWS if of_threads else ROWS
        print(report.table(("row", "one operation"), ((row.name, row.operation) for row in rows)))
        return
    run = threads.suite.prepare(options) if of_threads else prepare(options)
    out = folder(options.out, options.suite, whole=not (options.quick or options.rows))
    data = run.results(observed(run))
    if not run.measurements:
        sys.exit("nothing was measured")
    text = json.dumps(data, indent=1)
    render = threads.report.render if of_threads else report.render
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(text + "\n")
    (out / "report.md").write_text(render(data))
    if options.json:
        options.json.write_text(text + "\n")
    print(f"\n{render(data, details=False)}\nwritten to {out}")


if __name__ == "__main__":
    main()
