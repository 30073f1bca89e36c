"""Workers are threads like all others: in lists, dumps, traces, profiles. Idle ones are quiet."""

import faulthandler
import logging
import sys
import threading
import time

import pytest

from .waiting import wait_until


def test_workers_are_in_the_list_of_threads(busy_pool):
    pool = busy_pool(2, thread_name_prefix="seen")
    listed = {thread for thread in threading.enumerate() if thread.name.startswith("seen_")}
    assert listed == set(pool._threads)
    assert len(listed) == 2


def test_a_job_knows_its_thread(new_pool):
    pool = new_pool(1)
    thread = pool.submit(threading.current_thread).result()
    assert thread in pool._threads
    assert isinstance(thread, threading.Thread)
    assert not isinstance(thread, threading._DummyThread)
    assert thread.ident == pool.submit(threading.get_ident).result()
    assert thread.native_id == pool.submit(threading.get_native_id).result()


@pytest.mark.nalsil_pool("its threads hold up the end of the program")
def test_workers_are_daemons(new_pool):
    assert new_pool().submit(lambda: threading.current_thread().daemon).result() is True


def test_a_worker_is_named_in_log_records(new_pool):
    logger, records = logging.Logger("weaving"), []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    new_pool(1, thread_name_prefix="logging").submit(logger.error, "broken").result()
    assert records[0].threadName == "logging_0"


def test_the_frame_of_a_running_job_can_be_seen(busy_pool):
    pool = busy_pool()
    (thread,) = pool._threads
    names, frame = [], sys._current_frames()[thread.ident]
    while frame:
        names.append(frame.f_code.co_qualname)
        frame = frame.f_back
    assert "Gate.job" in names


def test_a_dump_of_all_threads_shows_the_running_job(busy_pool, tmp_path):
    pool = busy_pool()
    (thread,) = pool._threads
    with open(tmp_path / "dump", "w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        stacks = file.read().split("\n\n")
    (stack,) = (stack for stack in stacks if f"{thread.ident:x} " in stack.splitlines()[0])
    assert "in job" in stack


@pytest.fixture
def restored_hooks():
    trace, profile = threading.gettrace(), threading.getprofile()
    yield
    threading.settrace(trace)
    threading.setprofile(profile)


def traced_job():
    return 5


@pytest.mark.usefixtures("restored_hooks")
def test_a_trace_function_sees_jobs(new_pool):
    seen = []

    def trace(frame, event, arg):
        if frame.f_code is traced_job.__code__:
            seen.append(event)
            return trace
        return None

    threading.settrace(trace)
    assert new_pool(1).submit(traced_job).result() == 5
    assert seen == ["call", "line", "return"]


@pytest.mark.usefixtures("restored_hooks")
def test_a_profile_function_sees_jobs(new_pool):
    seen = []

    def profile(frame, event, arg):
        if frame.f_code is traced_job.__code__:
            seen.append((event, arg))

    threading.setprofile(profile)
    assert new_pool(1).submit(traced_job).result() == 5
    assert seen == [("call", None), ("return", 5)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="since Python 3.12")
def test_a_profile_function_set_for_all_threads_sees_workers_that_run(new_pool):
    pool, seen = new_pool(1), []
    pool.submit(int).result()

    def profile(frame, event, arg):
        if frame.f_code is traced_job.__code__:
            seen.append(event)

    threading.setprofile_all_threads(profile)
    try:
        pool.submit(traced_job).result()
    finally:
        threading.setprofile_all_threads(None)
    assert seen == ["call", "return"]


def test_the_exception_of_a_job_is_not_one_of_its_thread(new_pool, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    pool = new_pool(1)
    assert isinstance(pool.submit(lambda: 1 // 0).exception(), ZeroDivisionError)
    pool.shutdown()
    assert seen == []


def cpu_seconds(threads):
    clocks = [time.pthread_getcpuclockid(thread.ident) for thread in threads]
    return sum(map(time.clock_gettime, clocks))


def test_idle_workers_use_no_cpu(new_pool, gate):
    pool = new_pool(8)
    for _ in range(8):
        pool.submit(gate.job)
    gate.wait_for(8)
    gate.open()
    wait_until(lambda: pool._work_queue.qsize() == 0)
    threads = list(pool._threads)
    assert len(threads) == 8
    before, whole_before = cpu_seconds(threads), time.process_time()
    threading.Event().wait(0.5)
    assert cpu_seconds(threads) - before < 0.02
    assert time.process_time() - whole_before < 0.1


def test_a_caller_that_waits_uses_no_cpu(busy_pool, in_thread, gate):
    future = busy_pool().submit(int)
    started = threading.Event()
    threads = []

    def wait():
        threads.append(threading.current_thread())
        started.set()
        return future.result()

    waiter = in_thread(wait)
    started.wait()
    before = cpu_seconds(threads)
    threading.Event().wait(0.5)
    assert cpu_seconds(threads) - before < 0.02
    gate.open()
    assert waiter.result() == 0
