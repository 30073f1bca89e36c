"""One measurement in a process of its own: a row, a contender, a placement.

Run as `python -m threads.child ROW CONTENDER CORES WARMUP SECONDS`, it prints what was measured
as a line of JSON. CORES are the processors to stay on, separated by commas.
"""

import json
import os
import signal
import sys

from threads import hops, idle, latency, pools, portals
from threads.meter import Timing

LIFE_SECONDS = 60
"""A process that outlives its runner ends itself after so long."""

WORKS = hops.WORKS | pools.WORKS | portals.WORKS | idle.WORKS | latency.WORKS


def main(row: str, contender: str, cores: str, warmup: str, seconds: str) -> None:
    signal.alarm(LIFE_SECONDS)
    # Before the contender is imported, which may ask how many processors there are.
    os.sched_setaffinity(0, set(map(int, cores.split(","))))
    measured = WORKS[row](contender, Timing(float(warmup), float(seconds)))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
