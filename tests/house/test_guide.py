"""`make guide`: what was measured goes where it is marked, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tools.guide.marks import numbers_in, outputs_in, written
from tools.guide.values import of_probes, of_report

PAGE = """\
A task takes <!-- n task -->old<!-- / -->, a thread <!-- n thread -->old<!-- / -->.

<!-- output nalsil compare work.py:fetch -->
```console
$ nalsil compare work.py:fetch
old
```
<!-- / -->

<!-- output python work.py -->
<!-- / -->
"""


def test_a_number_goes_into_its_place() -> None:
    text = written(PAGE, {"task": "1.0 µs"}, {})
    assert numbers_in(text) == [("task", "1.0 µs"), ("thread", "old")]
    assert text.replace("1.0 µs", "old") == PAGE


def test_an_output_stands_below_its_command() -> None:
    text = written(PAGE, {}, {"python work.py": "  one\ntwo\n\n"})
    assert dict(outputs_in(text)) == {
        "nalsil compare work.py:fetch": "```console\n$ nalsil compare work.py:fetch\nold\n```\n",
        "python work.py": "```console\n$ python work.py\n  one\ntwo\n```\n",
    }


def test_writing_again_changes_nothing() -> None:
    numbers, outputs = {"task": "1 µs"}, {"python work.py": "one"}
    once = written(PAGE, numbers, outputs)
    assert written(once, numbers, outputs) == once


def test_a_backslash_in_an_output_stays() -> None:
    assert r"\1 \n" in written(PAGE, {}, {"python work.py": r"\1 \n"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500 ms"), (2.0, "2.00 s"), (31.6e-6, "31.6 µs"), (227e-9, "227 ns"), (120, "120 s")],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert of_probes(MEASURED | {"hop": seconds})["hop"] == text


def test_sizes_are_binary() -> None:
    numbers = of_probes(MEASURED | {"task_memory": 1536, "thread_memory": 3 * 2**20})
    assert (numbers["task_memory"], numbers["thread_memory"]) == ("1.50 KiB", "3.00 MiB")
    assert numbers["many_tasks"] == "14.6 MiB"
    assert numbers["memory_ratio"] == "2048"


MEASURED = {
    "task_create": 1e-6,
    "thread_create": 1e-4,
    "task_switch": 1e-6,
    "thread_switch": 1e-5,
    "task_memory": 1024,
    "thread_memory": 10240,
}


def row(form: str, seconds: float | None, **more: Any) -> dict[str, Any]:
    elapsed = None if seconds is None else {"median": seconds, "low": seconds, "high": seconds}
    return {"form": form, "elapsed_s": elapsed, "measured": True, "best": False} | more


def test_the_best_row_of_a_form_counts() -> None:
    report = {
        "forms": [
            row("plain", 2.0, best=True),
            row("threads", 0.25, best=True),
            row("threads", 0.245),
            row("processes", None, measured=False),
            row("coroutines", 0.2, measured=False),
        ],
        "verdict": {"form": "threads", "confidence": "high", "concurrency": 8, "rule": 3},
    }
    assert of_report("fetch", report) == {
        "fetch.plain": "2.00 s",
        "fetch.coroutines": "~200 ms",
        "fetch.threads": "250 ms",
        "fetch.processes": "-",
        "fetch.verdict": "`threads`",
        "fetch.confidence": "high",
        "fetch.concurrency": "8",
        "fetch.rule": "3",
    }
