"""Work whose best form nobody would dispute, judged in a few seconds on a busy machine."""

from __future__ import annotations

import pytest

from .schema import check_report

SECONDS = ("--budget", "8", "--rounds", "3")


@pytest.fixture
def judge(compare, work):
    """Compares a work and gives its verdict, after a look at the whole report."""

    def run(source, target, *options):
        work(source)
        answer = compare(target, *SECONDS, *options)
        assert answer.status == 0, answer.complaint
        check_report(answer.report)
        return answer

    return run


def test_sleeping_without_an_async_version(judge):
    answer = judge(
        "import time\ndef f(item):\n    time.sleep(0.02)\n    return item",
        "work.py:f",
        "--items",
        "64",
        "--concurrency",
        "1,8,32",
    )
    assert answer.verdict["form"] == "threads"
    assert answer.verdict["concurrency"] >= 8
    assert answer.row("threads")["shares"]["wait_sleep"] > 0.8


def test_sleeping_with_an_async_version(judge):
    answer = judge(
        """
        import asyncio, time

        def f(item):
            time.sleep(0.02)
            return item

        async def g(item):
            await asyncio.sleep(0.02)
            return item
        """,
        "work.py:f,g",
        "--items",
        "64",
        "--concurrency",
        "1,8,32",
    )
    assert answer.verdict["form"] in ("threads", "coroutines")
    assert answer.verdict["concurrency"] >= 8


def test_units_of_a_microsecond(judge):
    answer = judge("def f(item):\n    return item + 1", "work.py:f", "--items", "1000")
    assert answer.verdict["form"] == "plain"
    assert answer.verdict["rule"] == (0 if answer.verdict["confidence"] == "withheld" else 1)


@pytest.mark.parametrize("iterations", [2_000, 100_000])
def test_python_code_is_never_for_threads(judge, iterations):
    answer = judge(
        f"def f(item):\n    return sum(number * item for number in range({iterations}))",
        "work.py:f",
        "--items",
        "32",
        "--concurrency",
        "1,2,4",
    )
    assert answer.verdict["form"] in ("plain", "processes", "interpreters")
    shares = answer.row("plain")["shares"]
    assert shares["cpu_python"] > 0.7 * (1 - shares["run_queue"])


def test_a_call_that_sleeps_with_the_interpreter(judge):
    """Threads cannot help; only another process, or another interpreter, does."""
    answer = judge(
        "import ctypes\nusleep = ctypes.PyDLL(None).usleep\n"
        "def f(item):\n    usleep(20_000)\n    return item",
        "work.py:f",
        "--items",
        "32",
        "--concurrency",
        "1,4",
    )
    assert answer.verdict["form"] in ("processes", "interpreters")
    assert answer.row("plain")["held_waiting"] > 0.8


def test_a_lock_around_everything(judge):
    """No form helps where one goes at a time, in whatever process."""
    answer = judge(
        """
        import fcntl, time

        def f(item):
            with open("lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                time.sleep(0.05)
            return item
        """,
        "work.py:f",
        "--items",
        "8",
        "--concurrency",
        "1,4",
    )
    assert answer.verdict["form"] == "plain"


def test_a_server_that_takes_two_at_a_time(judge):
    """More in flight gains nothing, so the verdict asks for no more than is needed."""
    answer = judge(
        """
        import threading, time

        two = threading.Semaphore(2)

        def f(item):
            with two:
                time.sleep(0.02)
            return item
        """,
        "work.py:f",
        "--items",
        "32",
        "--concurrency",
        "1,2,8,32",
    )
    threads = {row["concurrency"]: row["elapsed_s"]["median"] for row in answer.rows("threads")}
    assert threads[32] > 0.8 * threads[2]
    if answer.verdict["form"] == "threads":
        assert answer.verdict["concurrency"] <= 8
