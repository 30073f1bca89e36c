"""`make run`: build nalsil into a virtual environment of its own and compare forms of a work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.environments import environment, interpreter, rustc_version, wheel
from tools.pythons import ROOT, Python, find_some, probe, supported_minors
from tools.steps import Board

FOLDER = ROOT / ".venv"
WORK = "examples/work/http_requests.py:fetch,afetch"
PAGE = ROOT / "target" / "run" / "http_requests.html"


def main() -> int:
    """Build, install and run; the exit code of the first that fails, or 0."""
    python = choose()
    print(f"nalsil on python {python.release}, {rustc_version()}, in {FOLDER.name}")
    steps = [
        environment("environment", python, FOLDER, "build", "run"),
        wheel("release build", python, FOLDER, needs="environment"),
    ]
    if not Board(ROOT / "target" / "run", keep=True).run(steps):
        return 1
    page = PAGE.relative_to(ROOT)
    command = ("nalsil", "compare", WORK, "--items", "400", "--html", str(page))
    print(f"\n$ {' '.join(command)}", flush=True)
    code = subprocess.run([interpreter(FOLDER), "-m", *command], cwd=ROOT, check=False).returncode
    if code == 0:
        print(f"\nthe whole report, with charts: {page}")
    return code


def choose() -> Python:
    """The interpreter that runs this if it will do, else the newest one that nalsil supports."""
    own = probe(Path(sys.executable))
    if own is not None and own.minor in supported_minors() and own.ensurepip:
        return own
    return find_some()[-1]


if __name__ == "__main__":
    sys.exit(main())
