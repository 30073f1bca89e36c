"""`make run`: build nalsil into a virtual environment of its own and run the examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.environments import environment, interpreter, rustc_version, wheel
from tools.pythons import ROOT, Python, find_some, probe, supported_minors
from tools.steps import Board

FOLDER = ROOT / ".venv"
EXAMPLES = ("examples/coroutine.py", "examples/thread.py")


def main() -> int:
    """Build, install and run; the exit code of the first that fails, or 0."""
    python = choose()
    print(f"nalsil on python {python.release}, {rustc_version()}, in {FOLDER.name}")
    steps = [
        environment("environment", python, FOLDER, "build"),
        wheel("release build", python, FOLDER, needs="environment"),
    ]
    if not Board(ROOT / "target" / "run", keep=True).run(steps):
        return 1
    for example in EXAMPLES:
        print(f"\n{example}", flush=True)
        code = subprocess.run([interpreter(FOLDER), Path(example)], cwd=ROOT, check=False)
        if code.returncode != 0:
            return code.returncode
    return 0


def choose() -> Python:
    """The interpreter that runs this if it will do, else the newest one that nalsil supports."""
    own = probe(Path(sys.executable))
    if own is not None and own.minor in supported_minors() and own.ensurepip:
        return own
    return find_some()[-1]


if __name__ == "__main__":
    sys.exit(main())
