"""A form that gives another result than plain code cannot win, however fast it is."""

from __future__ import annotations

import re

import pytest

from nalsil import _nalsil
from nalsil.__main__ import main
from nalsil._compare.children import Children

from .command import SHORT
from .schema import check_report

SLOW = "import asyncio, time\ndef f(item):\n    time.sleep(0.02)\n    return item\n"
MANY = ("--items", "16", "--concurrency", "8", "--budget", "6")


def test_a_coroutine_that_gives_something_else(compare, work):
    work(SLOW + "async def g(item):\n    return -1")
    answer = compare("work.py:f,g", *MANY)
    check_report(answer.report)
    for row in answer.rows("coroutines"):
        assert row["status"] == "differs"
        assert row["note"]
    assert answer.verdict["form"] == "threads"
    assert "coroutines" not in answer.verdict["tie"]
    assert answer.status == 0


def test_only_one_item_is_different(compare, work):
    work(SLOW + "async def g(item):\n    return item if item != 3 else 4")
    answer = compare("work.py:f,g", *MANY)
    assert answer.outcomes("coroutines") == {"differs"}
    assert "3" in answer.row("coroutines")["note"]


def test_results_in_another_order(compare, work):
    """Which item belongs to which result counts, not which was done first."""
    work(
        SLOW
        + """
async def g(item):
    await asyncio.sleep(0.03 - item * 0.001)
    return item
"""
    )
    answer = compare("work.py:f,g", *MANY)
    assert answer.outcomes("coroutines") == {"ok"}


def test_threads_that_race(compare, work):
    """Their results are wrong, so that they are fast does not help."""
    work(
        """
        import time

        current = None

        def f(item):
            global current
            current = item
            time.sleep(0.02)
            return current
        """
    )
    answer = compare("work.py:f", *MANY)
    assert answer.outcomes("threads") == {"differs"}
    assert answer.verdict["form"] in ("plain", "processes")


def test_an_async_function_that_is_never_awaited_inside(compare, work):
    """It gives a coroutine instead of a value."""
    work(
        SLOW + "async def inner(item):\n    return item\nasync def g(item):\n    return inner(item)"
    )
    answer = compare("work.py:f,g", *MANY)
    assert answer.outcomes("coroutines") <= {"differs", "failed"}
    assert answer.verdict["form"] == "threads"


@pytest.mark.parametrize(
    "source",
    [
        "import random\ndef f(item):\n    return random.random()",
        "import itertools\ncount = itertools.count()\ndef f(item):\n    return next(count)",
        "import time\ndef f(item):\n    return time.perf_counter_ns()",
        "def f(item):\n    return object()",
    ],
    ids=["random", "counter", "clock", "object"],
)
def test_work_without_a_fixed_result_is_a_warning(compare, work, source):
    work(source)
    answer = compare("work.py:f")
    check_report(answer.report)
    assert {"plain", "threads"} <= answer.measured
    assert answer.outcomes("threads") == {"ok"}
    assert any("result" in warning for warning in answer.report["work"]["warnings"])
    assert answer.verdict["form"] is not None
    assert answer.status == 0


@pytest.mark.parametrize(
    "value",
    [
        "float('nan')",
        "[item, float('nan'), {'a': {1, 2, item}}]",
        "memoryview(b'spam')",
        "range(item)",
        "(1, b'x', 'y', None, 2.5, 1j, frozenset({item}))",
        "''.join(map(chr, range(0xD800, 0xD800 + item)))",
    ],
)
def test_values_that_are_equal_again(compare, work, value):
    """Sets have another order in another process, and `nan` does not equal itself."""
    work(f"def f(item):\n    return {value}")
    answer = compare("work.py:f")
    assert answer.outcomes("threads") == {"ok"}
    assert answer.outcomes("processes") <= {"ok", "failed"}
    if "memoryview" not in value:
        assert "processes" in answer.measured


def test_a_comparison_that_raises(compare, work):
    work(
        """
        class Odd:
            def __eq__(self, other):
                raise LookupError("no comparison")
            __hash__ = None

        def f(item):
            return Odd()
        """
    )
    answer = compare("work.py:f")
    assert {"plain", "threads"} <= answer.measured
    assert "Traceback" not in answer.complaint


def test_a_comparison_that_is_no_truth(compare, work):
    """Arrays give an array when they are compared."""
    pytest.importorskip("numpy", reason="numpy is not installed")
    work("import numpy\ndef f(item):\n    return numpy.arange(4) + item")
    # Every process imports NumPy first, which takes seconds where others compute as well.
    answer = compare("work.py:f", "--budget", "10")
    assert answer.outcomes("threads") == {"ok"}
    assert "processes" in answer.measured


def test_work_that_changes_its_items(compare, work):
    """Each measurement begins with fresh items, or says that results differ."""
    work(
        """
        def things():
            return [[number] for number in range(8)]

        def f(thing):
            thing.append(len(thing))
            return list(thing)
        """
    )
    answer = compare("work.py:f", "--items", "things")
    check_report(answer.report)
    assert answer.statuses == {"ok"} or answer.report["work"]["warnings"]


def test_both_functions_are_compared_as_one_work(compare, work):
    work(SLOW + "async def g(item):\n    await asyncio.sleep(0.02)\n    return item")
    answer = compare("work.py:f,g", *MANY)
    check_report(answer.report)
    assert {row["function"] for row in answer.rows("coroutines")} == {"g"}
    for form in ("plain", "threads", "processes"):
        assert {row["function"] for row in answer.rows(form)} == {"f"}
    assert {"plain", "threads", "processes", "coroutines"} <= answer.measured
    assert answer.verdict["form"] in ("threads", "coroutines")


def test_two_functions_of_one_kind_are_alternatives(compare, work):
    """Each has its rows, and the verdict says which of them it means."""
    work(SLOW + "def g(item):\n    time.sleep(0.08)\n    return item")
    answer = compare("work.py:f,g", *MANY, "--budget", "8")
    check_report(answer.report)
    for form in ("plain", "threads", "processes"):
        assert {row["function"] for row in answer.rows(form)} == {"f", "g"}
        assert f"{form} of f" in answer.text
        assert f"{form} of g" in answer.text
    assert answer.verdict["form"] == "threads"
    assert re.search(r"(?i)verdict\s+threads of f\b", answer.text)


def test_the_order_of_the_two_does_not_matter(compare, work):
    work(SLOW + "async def g(item):\n    await asyncio.sleep(0.02)\n    return item")
    answer = compare("work.py:g,f", *MANY)
    check_report(answer.report)
    assert {"plain", "threads", "processes", "coroutines"} <= answer.measured


def test_a_coroutine_row_is_predicted_when_there_is_none(compare, work):
    work(SLOW)
    answer = compare("work.py:f", *MANY)
    check_report(answer.report)
    row = answer.row("coroutines")
    assert not row["measured"]
    assert row["status"] == "predicted"
    assert row["band"]["low"] <= row["elapsed_s"]["median"] <= row["band"]["high"]
    assert "~" in answer.text
    assert answer.verdict["form"] == "threads"


def test_a_prediction_rests_on_rounds_not_on_one_look(compare, work):
    work(
        """
        import time

        def f(item):
            end = time.thread_time() + 0.0005
            while time.thread_time() < end:
                pass
            time.sleep(0.01)
        """
    )
    # With 16 in flight one loop would be full, so threads that are not the best have to tell.
    answer = compare("work.py:f", "--concurrency", "1,2,16", "--items", "64", "--budget", "8")
    check_report(answer.report)
    row = answer.row("coroutines")
    assert (row["status"], row["concurrency"]) == ("predicted", 2), answer.text
    (threads,) = (one for one in answer.rows("threads") if one["concurrency"] == 2)
    assert threads["rounds"] >= 3
    assert not threads["best"]


def test_what_the_machine_gives_is_measured_without_children(monkeypatch, work):
    """While they start, they would be taken for other users of the machine."""
    path = work("def f(item):\n    return item")
    living, starts = set(), []
    start, discard = Children.start, Children.discard

    def noting_start(children):
        child = start(children)
        living.add(child)
        starts.append(child)
        return child

    def noting_discard(children, child):
        discard(children, child)
        living.remove(child)

    def cores(seconds):
        seen.append((len(starts), len(living)))
        return 2.0

    seen = []
    monkeypatch.setattr(Children, "start", noting_start)
    monkeypatch.setattr(Children, "discard", noting_discard)
    monkeypatch.setattr(_nalsil, "effective_cores", cores)
    assert main(["compare", f"{path}:f", *SHORT, "--budget", "2"]) == 0
    assert seen[0] == (1, 0), "the one that was asked what the work is, which has ended"
    assert len(seen) == 2
    assert len(starts) > 1


def test_no_coroutine_row_is_predicted_for_work_of_the_cpu(compare, work):
    work("def f(item):\n    return sum(range(100_000))")
    answer = compare("work.py:f")
    check_report(answer.report)
    row = answer.row("coroutines")
    assert row["elapsed_s"] is None
    assert row["note"]
    assert answer.verdict["form"] != "coroutines"


def test_a_partial_and_other_callables(compare, work):
    work(
        """
        import functools

        def add(first, item):
            return first + item

        f = functools.partial(add, 5)

        class Adds:
            def __call__(self, item):
                return 5 + item

        g = Adds()
        h = len
        """
    )
    assert {"plain", "threads"} <= compare("work.py:f").measured
    assert {"plain", "threads"} <= compare("work.py:g").measured


def test_a_decorated_function(compare, work):
    work(
        """
        import functools

        def logged(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @logged
        def f(item):
            return item
        """
    )
    assert {"plain", "threads", "processes"} <= compare("work.py:f").measured
