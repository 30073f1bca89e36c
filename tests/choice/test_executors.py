"""`--executor`: a row for any `concurrent.futures.Executor`, Dask's client among them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from .schema import check_report

SLEEPS = "import time\ndef f(item):\n    time.sleep(0.02)\n    return item\n"
MANY = ("--items", "16", "--concurrency", "8", "--budget", "6")


def test_a_factory_of_the_same_file(compare, work):
    work(
        SLEEPS
        + "import concurrent.futures\n"
        + "def pool():\n    return concurrent.futures.ThreadPoolExecutor(8)\n"
    )
    answer = compare("work.py:f", *MANY, "--executor", "mine=work:pool")
    check_report(answer.report)
    row = answer.row("mine")
    assert row["measured"]
    assert row["status"] == "ok"
    assert row["elapsed_s"]["median"] < answer.row("plain")["elapsed_s"]["median"]
    assert "mine" in answer.text


def test_a_factory_of_another_module(compare, work):
    work(SLEEPS)
    work(
        "import concurrent.futures\n"
        "def factory():\n    return concurrent.futures.ProcessPoolExecutor(2)",
        "elsewhere.py",
    )
    answer = compare("work.py:f", *MANY, "--executor", "mine=elsewhere:factory")
    assert answer.row("mine")["measured"]


def test_several(compare, work):
    work(SLEEPS + "from concurrent.futures import ThreadPoolExecutor as Pool\n")
    options = ("--executor", "one=work:Pool", "--executor", "two=work:Pool")
    assert {"one", "two"} <= compare("work.py:f", *MANY, *options).measured


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("def factory():\n    raise ConnectionError('no scheduler')", "no scheduler"),
        ("def factory():\n    return 5", "submit"),
        ("def factory(spam):\n    return 5", "argument"),
    ],
    ids=["raises", "no executor", "wants arguments"],
)
def test_a_factory_that_fails(compare, work, factory, told):
    """Its row says so, and the others are measured."""
    work(SLEEPS + factory)
    answer = compare("work.py:f", *MANY, "--executor", "mine=work:factory")
    if answer.status == 2:
        assert told in answer.complaint
        return
    row = answer.row("mine")
    assert row["status"] == "failed"
    assert told in str(row["errors"]) + row["note"]
    assert {"plain", "threads", "processes"} <= answer.measured


def test_an_executor_whose_futures_never_complete(compare, work):
    work(
        SLEEPS
        + """
import concurrent.futures

class Lost(concurrent.futures.Executor):
    def submit(self, *args, **kwargs):
        return concurrent.futures.Future()

    def shutdown(self, *args, **kwargs):
        pass
"""
    )
    answer = compare("work.py:f", *MANY, "--executor", "lost=work:Lost", "--timeout", "2")
    assert answer.row("lost")["status"] == "timed out"
    assert {"plain", "threads"} <= answer.measured


def test_an_executor_that_is_broken(compare, work):
    work(
        SLEEPS
        + """
import concurrent.futures

class Broken(concurrent.futures.Executor):
    def submit(self, *args, **kwargs):
        raise concurrent.futures.BrokenExecutor("out of order")
"""
    )
    answer = compare("work.py:f", *MANY, "--executor", "broken=work:Broken")
    row = answer.row("broken")
    assert row["status"] == "failed"
    assert "out of order" in str(row["errors"])
    assert answer.status == 0


def test_the_executor_is_shut_down(compare, work, tmp_path):
    work(
        SLEEPS
        + """
import concurrent.futures
from pathlib import Path

class Pool(concurrent.futures.ThreadPoolExecutor):
    def shutdown(self, *args, **kwargs):
        Path("ended").touch()
        super().shutdown(*args, **kwargs)
"""
    )
    assert compare("work.py:f", *MANY, "--executor", "mine=work:Pool").row("mine")["measured"]
    assert (tmp_path / "ended").exists()


def test_it_wins_nothing_by_a_tie(compare, work):
    """A tie goes to the simpler form."""
    work(SLEEPS + "from concurrent.futures import ThreadPoolExecutor as Pool\n")
    answer = compare("work.py:f", *MANY, "--executor", "mine=work:Pool")
    check_report(answer.report)
    mine, threads = answer.row("mine"), answer.row("threads")
    if mine["elapsed_s"]["low"] <= threads["elapsed_s"]["high"]:
        assert answer.verdict["form"] == "threads"


def test_stock_rows(compare, work):
    work(
        SLEEPS
        + "import asyncio\nasync def g(item):\n    await asyncio.sleep(0.02)\n    return item"
    )
    answer = compare("work.py:f,g", *MANY, "--stock")
    check_report(answer.report)
    assert {"asyncio", "stock threads"} <= answer.measured
    assert answer.verdict["form"] in ("threads", "coroutines")


CLUSTER = """
from dask.distributed import Client, LocalCluster

def local():
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=4, processes=True, dashboard_address=None
    )
    return Client(cluster).get_executor()

def remote():
    return Client({address!r}).get_executor()
"""
dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="`dask[distributed]` is not installed",
)


@dask
@pytest.mark.hang_after(180)
def test_dask_on_a_cluster_of_its_own(compare, work):
    """A real scheduler and two workers in processes, made by the factory."""
    work(SLEEPS)
    work(CLUSTER.format(address=None), "cluster.py")
    options = ("--budget", "10", "--timeout", "60", "--executor", "dask=cluster:local")
    answer = compare("work.py:f", *MANY, *options)
    check_report(answer.report)
    row = answer.row("dask")
    assert row["status"] == "ok", row
    assert row["elapsed_s"]["median"] < 0.8 * answer.row("plain")["elapsed_s"]["median"]


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler with one worker, each a process started by hand."""
    started = []

    def start(*line):
        process = subprocess.Popen(
            [sys.executable, "-m", *line],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    def line_with(process, text):
        for line in process.stdout:
            if text in line:
                return line
        raise AssertionError(f"`{text}` was never said")

    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    spoken = line_with(start("distributed.cli.dask_scheduler", *options), "Scheduler at:")
    address = spoken.split()[-1]
    worker = start(
        "distributed.cli.dask_worker", address, "--nthreads", "4", "--no-dashboard", "--no-nanny"
    )
    line_with(worker, "Registered to")
    yield address
    for process in reversed(started):
        process.terminate()
        process.communicate()


@dask
@pytest.mark.hang_after(180)
def test_dask_on_a_scheduler_that_runs_already(compare, work, scheduler):
    work(SLEEPS)
    work(CLUSTER.format(address=scheduler), "cluster.py")
    options = ("--budget", "10", "--timeout", "60", "--executor", "dask=cluster:remote")
    answer = compare("work.py:f", *MANY, *options)
    check_report(answer.report)
    row = answer.row("dask")
    assert row["status"] == "ok", row
    assert row["elapsed_s"]["median"] < 0.8 * answer.row("plain")["elapsed_s"]["median"]


@dask
@pytest.mark.hang_after(180)
def test_dask_without_a_scheduler(compare, work):
    work(SLEEPS)
    work(
        "from dask.distributed import Client\n"
        "def remote():\n    return Client('tcp://127.0.0.1:1', timeout='1s').get_executor()",
        "cluster.py",
    )
    answer = compare("work.py:f", *MANY, "--executor", "dask=cluster:remote")
    row = answer.row("dask")
    assert row["status"] == "failed"
    assert {"plain", "threads", "processes"} <= answer.measured
