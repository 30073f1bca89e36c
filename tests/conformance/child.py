"""The process in which the tests of one module run.

    python -P child.py LOOP SUITE MODULE FOLDER SECONDS EVENTS STACKS < wanted

Reads the names of the tests to run from the standard input, one a line; none means all. FOLDER is
where the suite's tests are if not in this Python, else empty. Writes what happens as JSON lines to
the descriptor EVENTS. When nothing happens for SECONDS, the stacks of all threads go to the file
STACKS; ending the process is the parent's business.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import traceback
from pathlib import Path


def main() -> None:
    loop, suite, module, folder, seconds, events, stacks = sys.argv[1:]
    wanted = set(sys.stdin.read().splitlines())
    # A shell starts what runs in its background with the signal ignored; the tests send it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    record = importlib.import_module("conformance.record")
    with open(stacks, "wb", buffering=0) as file:
        faulthandler.enable(file)
        watch = record.Watch(int(events), file, float(seconds))
        try:
            kinds = importlib.import_module("conformance.kinds")
            where = Path(folder) if folder else None
            kinds.KINDS[suite](kinds.Task(loop, module, where, wanted, watch))
        except BaseException:
            watch.event("broken", detail=traceback.format_exc())
            raise
        # The timer stays armed: the interpreter may hang while it ends.
        watch.event("end")


if __name__ == "__main__":
    main()
