"""`setup` and `teardown` of the file run once around each measurement, and are not measured."""

from __future__ import annotations

from collections import Counter

import pytest

from .schema import check_report

LOGGED = """
import asyncio, os, time

def note(what):
    with open("log", "a") as log:
        log.write(f"{os.getpid()} {what}\\n")

def setup():
    note("setup")

def teardown():
    note("teardown")

def f(item):
    note("call")
    time.sleep(0.002)
    return item

async def g(item):
    note("call")
    await asyncio.sleep(0.002)
    return item
"""
OPTIONS = ("--concurrency", "2", "--rounds", "2", "--items", "4")


def log(tmp_path):
    """The processes of each event, in order."""
    lines = (tmp_path / "log").read_text().splitlines()
    return [tuple(line.split()) for line in lines]


def test_run_around_every_measurement(compare, work, tmp_path):
    work(LOGGED)
    answer = compare("work.py:f,g", *OPTIONS)
    check_report(answer.report)
    assert {"plain", "threads", "processes", "coroutines"} <= answer.measured
    state = Counter()
    for process, what in log(tmp_path):
        if what == "setup":
            assert state[process] == 0, "a second `setup` before `teardown`"
            state[process] += 1
        elif what == "teardown":
            assert state[process] == 1, "`teardown` without `setup`"
            state[process] -= 1
    assert not +state, "a `setup` without its `teardown`"
    done = Counter(what for _, what in log(tmp_path))
    assert done["setup"] >= 4 * 2


def test_calls_come_between_them(compare, work, tmp_path):
    work(LOGGED)
    compare("work.py:f,g", *OPTIONS)
    open_in = set()
    own = {process for process, what in log(tmp_path) if what == "setup"}
    for process, what in log(tmp_path):
        if what == "setup":
            open_in.add(process)
        elif what == "teardown":
            open_in.discard(process)
        elif process in own:
            assert process in open_in, "a call outside of `setup` and `teardown`"
        else:
            assert open_in, "a worker's call outside of `setup` and `teardown`"


@pytest.mark.parametrize("alone", ["setup", "teardown"])
def test_one_of_the_two_is_enough(compare, work, tmp_path, alone):
    other = {"setup": "teardown", "teardown": "setup"}[alone]
    work(LOGGED.replace(f"def {other}", f"def not_{other}"))
    assert compare("work.py:f,g", *OPTIONS).status == 0
    assert {what for _, what in log(tmp_path)} == {alone, "call"}


def test_they_may_be_coroutine_functions(compare, work, tmp_path):
    work(
        LOGGED.replace("def setup", "async def setup").replace("def teardown", "async def teardown")
    )
    answer = compare("work.py:f,g", *OPTIONS)
    if answer.status == 2:
        assert "`setup`" in answer.complaint
        assert "hint:" in answer.complaint
    else:
        assert {what for _, what in log(tmp_path)} == {"setup", "teardown", "call"}
        assert {"plain", "coroutines"} <= answer.measured


def test_they_are_not_measured(compare, work):
    work(
        """
        import time

        def setup():
            time.sleep(0.3)

        def teardown():
            time.sleep(0.3)

        def f(item):
            return item
        """
    )
    answer = compare("work.py:f", *OPTIONS, "--budget", "10")
    assert answer.row("plain")["elapsed_s"]["high"] < 0.3


def test_what_setup_makes_is_there_for_the_work(compare, work):
    work(
        """
        import sqlite3, threading

        def setup():
            global kept
            kept = {"value": 5}

        def teardown():
            kept.clear()

        def f(item):
            return kept["value"] + item
        """
    )
    answer = compare("work.py:f", *OPTIONS)
    check_report(answer.report)
    assert {"plain", "threads", "processes"} <= answer.measured, answer.text


@pytest.mark.parametrize("which", ["setup", "teardown"])
def test_one_that_raises(compare, work, which):
    work(f"def {which}():\n    raise LookupError('no server')\ndef f(item):\n    return item")
    answer = compare("work.py:f", *OPTIONS)
    check_report(answer.report)
    row = answer.row("plain")
    told = str(row["note"]) + str(row["errors"]) + str(answer.report["work"]["warnings"])
    assert which in told
    assert "LookupError" in told
    assert "LookupError" in answer.text
    if which == "setup":
        assert not answer.measured
        assert answer.status == 1


def test_a_name_that_is_no_function(compare, work):
    work("setup = 5\ndef f(item):\n    return item")
    answer = compare("work.py:f", *OPTIONS)
    assert answer.status in (0, 2)
    assert "Traceback" not in answer.complaint
