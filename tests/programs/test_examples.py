"""The two example programs: what they print, in which order, and how long they take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .loop_under_test import HANG_SECONDS, LOOP_MODULE

EXAMPLES = Path(__file__).parents[2] / "examples"
LINE = re.compile(r"\s*(\d+\.\d+) s  (.+)")
START = re.compile(r"(.+) starts on (.+), waits (\d) s")


def said_by(example: str) -> list[tuple[float, str]]:
    """Run an example; return each line's time in seconds and its text."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / example],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    matches = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert all(matches), done.stdout
    return [(float(match[1]), match[2]) for match in matches if match]


@pytest.mark.parametrize(
    ("example", "kind", "threads", "total"),
    [
        pytest.param(
            "coroutine.py",
            "coroutine",
            ["MainThread", "MainThread"],
            "total, on one thread",
            marks=pytest.mark.skipif(
                LOOP_MODULE != "nalsil", reason="the example is about nalsil, on no other loop"
            ),
        ),
        ("thread.py", "thread", ["worker_0", "worker_1"], "total, on two threads"),
    ],
)
def test_example_waits_twice_at_the_same_time(
    example: str, kind: str, threads: list[str], total: str
) -> None:
    lines = said_by(example)
    starts = [START.fullmatch(text) for text in sorted(text for _, text in lines[:2])]
    assert all(starts), lines
    # Which worker takes which job is the operating system's choice.
    assert [(match[1], match[3]) for match in starts] == [(f"{kind} 1", "2"), (f"{kind} 2", "1")]
    assert sorted(match[2] for match in starts) == threads
    assert [text for _, text in lines[2:]] == [f"{kind} 2 ends", f"{kind} 1 ends", total]
    short, long, whole = (moment for moment, _ in lines[2:])
    assert short >= 1.0
    assert long >= 2.0
    assert 2.0 <= whole < 3.0
