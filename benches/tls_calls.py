"""How far ahead of uvloop a loop can be at TLS: what OpenSSL's and the system's calls take alone.

Every loop that uses Python's `ssl` makes the same calls for a message: receive, hand the ciphertext
to OpenSSL, read, write, take the ciphertext back, send. `calls` makes them without a loop, so
uvloop's CPU time over its own is what no loop can pass.
"""

import argparse
import statistics
import sys
from dataclasses import replace

from measure import Cores, Timing, measure
from rows import ROWS

CALLS = "calls"
TIMING = Timing(warmup=0.2, seconds=0.7)
ONE_RECORD = ("tls/protocol/1KB/10", "tls/protocol/10KB/10", "tls/protocol/10KB/100")
"""`calls` reads a message that is one record."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", default="nalsil,uvloop", help="names, with commas")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    names = [CALLS, *given.loops.split(",")]
    rows = [row for row in ROWS if row.name in ONE_RECORD]
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(given.rounds):
        print(f"round {number + 1} of {given.rounds}", end="\r", file=sys.stderr)
        for row in rows:
            first = number % len(names)
            for name in names[first:] + names[:first]:
                asked = (
                    (replace(row, work="tls-calls"), "asyncio") if name == CALLS else (row, name)
                )
                result = measure(*asked, number, TIMING, Cores.apart())
                if result.error:
                    sys.exit(f"{row.name}, {name}: {result.error}")
                taken.setdefault((row.name, name), []).append(result.cpu_microseconds)
    print(file=sys.stderr)
    titles = [f"{name}, CPU µs" for name in names]
    ratios = [f"{name} over calls" for name in names[1:]]
    print("| row |", " | ".join(titles + ratios), "|")
    print("|---|" + "---|" * (len(titles) + len(ratios)))
    for row in rows:
        least = taken[row.name, CALLS]
        cells = [f"{statistics.median(taken[row.name, name]):.3g}" for name in names]
        for name in names[1:]:
            factors = sorted(
                own / calls for own, calls in zip(taken[row.name, name], least, strict=True)
            )
            low, high = factors[len(factors) // 4], factors[-1 - len(factors) // 4]
            cells.append(f"{statistics.median(factors):.2f} ({low:.2f} to {high:.2f})")
        print(f"| {row.name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
