"""`make guide`: measure every number of the guide, and write it where it stands.

python3 -m tools.guide              build nalsil, measure everything, write
python3 -m tools.guide primes cost  measure only what has one of the words in its name
python3 -m tools.guide --keep       measure nothing: write what was measured last
python3 -m tools.guide --python P   measure with the interpreter P, which has nalsil already

What was measured last is kept in docs/measured.json. About ten minutes; leave the machine alone
meanwhile.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.environments import environment, interpreter, wheel
from tools.guide.documents import MEASURED, commands, write
from tools.guide.values import of_report
from tools.pythons import ROOT, find_some, probe
from tools.steps import Board

WIDTH = 100
"""Columns of what the commands print."""

PROBES = Path(__file__).parent / "probes"
PROBE_RUNS = {
    "costs": ["costs.py"],
    "memory of tasks": ["memory.py", "tasks"],
    "memory of threads": ["memory.py", "threads"],
    "order": ["order.py"],
    "parallel": ["parallel.py"],
    "races": ["races.py"],
}


def main() -> int:
    """Measure what was asked for and rewrite the documents; 0 if nothing failed."""
    arguments = _arguments()
    kept = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    kept = {"machine": {}, "probes": {}, "reports": {}, "outputs": {}} | kept
    if not arguments.keep:
        python = arguments.python or _built()
        if python is None:
            return 1
        _measure(python, arguments.words, kept)
        MEASURED.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    write(kept)
    return 0


def _measure(python: Path, words: list[str], kept: dict[str, Any]) -> None:
    """Bring `kept` up to date, each part as soon as it is measured."""
    found = probe(python)
    kept["machine"] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": f"CPython {found.release}" if found else "unknown",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
    }
    for name, program in PROBE_RUNS.items():
        if _wanted(name, words):
            print(f"  {name}", flush=True)
            printed = _printed([str(python), str(PROBES / program[0]), *program[1:]])
            kept["probes"] |= json.loads(printed)
    for command in commands():
        if _wanted(command, words):
            print(f"  {command}", flush=True)
            kept["outputs"][command] = _run(python, command, kept["reports"])


def _run(python: Path, command: str, reports: dict[str, Any]) -> str:
    """What a command of the guide prints; of a comparison also the report, for the tables."""
    program, *arguments = shlex.split(command)
    if program == "python":
        return _printed([str(python), *arguments])
    if arguments[0] != "compare" or "--help" in arguments:
        return _printed([str(python), "-m", "nalsil", *arguments])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        printed = _printed([str(python), "-m", "nalsil", *arguments, "--json", str(file)])
        work = Path(arguments[1].partition(":")[0]).stem
        reports[work] = of_report(work, json.loads(file.read_text()))
    return printed.replace(f"written: {file}\n", "")


def _printed(command: list[str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": str(WIDTH)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"cannot measure: `{shlex.join(command)}` failed\n{done.stderr}")
    return done.stdout


def _wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def _built() -> Path | None:
    """The interpreter of an environment with nalsil, in release mode, and what the works need."""
    python = find_some()[-1]
    folder = ROOT / ".venvs" / "guide"
    steps = [
        environment("environment", python, folder, "build", "tests"),
        wheel("release build", python, folder, needs="environment"),
    ]
    passed = Board(ROOT / "target" / "guide", keep=True).run(steps)
    return interpreter(folder) if passed else None


def _arguments() -> argparse.Namespace:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.guide",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help="measure only what has one of these in its name")
    parser.add_argument("--keep", action="store_true", help="measure nothing, only write")
    parser.add_argument("--python", type=Path, help="an interpreter that has nalsil already")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
