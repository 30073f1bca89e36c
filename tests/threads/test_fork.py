"""`os.fork`: pools in the child. Each test is a program of its own."""

import sys

import pytest

PREPARED = """
import concurrent.futures, os, sys, threading, warnings
from {module} import ThreadPoolExecutor

warnings.simplefilter("ignore", DeprecationWarning)  # for `fork` beside other threads

def fork(child):
    number = os.fork()
    if not number:
        try:
            child()
        except BaseException as error:
            os.write(2, f"child: {{error!r}}\\n".encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
"""


@pytest.fixture
def runs(program, module):
    """Runs the source after `PREPARED`; it has to end well and say nothing."""

    def execute(source):
        ended = program(PREPARED.format(module=module.__name__) + source)
        assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)

    return execute


def test_a_new_pool_works_in_the_child(runs):
    runs(
        """
with ThreadPoolExecutor(2) as pool:
    pool.submit(int).result()

    def child():
        with ThreadPoolExecutor(2) as own:
            assert list(own.map(abs, [-1, -2])) == [1, 2]

    assert fork(child) == 0
    assert pool.submit(abs, -3).result() == 3
"""
    )


def test_a_pool_never_used_before_works_in_both(runs):
    runs(
        """
pool = ThreadPoolExecutor(2)
assert fork(lambda: pool.submit(abs, -3).result(timeout=30)) == 0
assert pool.submit(abs, -3).result() == 3
pool.shutdown()
"""
    )


@pytest.mark.nalsil_pool("in the child it starts no worker")
class TestThePoolOfTheParent:
    """A pool that had workers when the process forked."""

    def test_works_in_the_child(self, runs):
        runs(
            """
pool = ThreadPoolExecutor(2)
pool.submit(int).result()

def child():
    for number in range(20):
        assert pool.submit(abs, -number).result(timeout=30) == number
    assert all(thread.is_alive() for thread in pool._threads)
    pool.shutdown()

assert fork(child) == 0
assert pool.submit(abs, -3).result() == 3
"""
        )

    def test_of_which_futures_are_left_fails_them_in_the_child(self, runs):
        runs(
            """
pool, gate = ThreadPoolExecutor(1), threading.Event()
begun = threading.Event()
running = pool.submit(lambda: (begun.set(), gate.wait()))
begun.wait()
queued = pool.submit(abs, -3)

def child():
    for future in (running, queued):
        error = future.exception(timeout=30)
        assert isinstance(error, RuntimeError), error
        assert isinstance(error, concurrent.futures.BrokenExecutor), error
        assert "fork" in str(error), error
    assert pool.submit(abs, -4).result(timeout=30) == 4

assert fork(child) == 0
gate.set()
assert queued.result() == 3
"""
        )

    def test_keeps_its_options_in_the_child(self, runs):
        runs(
            """
local = threading.local()
pool = ThreadPoolExecutor(1, "weaver", lambda value: setattr(local, "value", value), ("ready",))
pool.submit(int).result()

def ask():
    return local.value, threading.current_thread().name.rpartition("_")[0]

def child():
    assert pool.submit(ask).result(timeout=30) == ("ready", "weaver")

assert fork(child) == 0
"""
        )

    def test_that_was_shut_down_stays_so(self, runs):
        runs(
            """
pool = ThreadPoolExecutor(1)
pool.submit(int).result()
pool.shutdown()

def child():
    try:
        pool.submit(int)
    except RuntimeError as error:
        assert "cannot schedule new futures after shutdown" in str(error)
    else:
        raise AssertionError("was taken")

assert fork(child) == 0
"""
        )

    def test_works_in_the_child_of_a_child(self, runs):
        runs(
            """
pool = ThreadPoolExecutor(2)
pool.submit(int).result()

def use():
    assert pool.submit(abs, -3).result(timeout=30) == 3

def child():
    use()
    assert fork(use) == 0
    use()

assert fork(child) == 0
"""
        )

    def test_forked_while_other_threads_submit(self, runs):
        runs(
            """
sys.setswitchinterval(1e-5)
pool, stop = ThreadPoolExecutor(2), threading.Event()

def keep_busy():
    while not stop.is_set():
        pool.submit(int).result()

threads = [threading.Thread(target=keep_busy) for _ in range(3)]
for thread in threads:
    thread.start()

def child():
    assert list(pool.map(abs, range(-10, 0))) == list(range(10, 0, -1))
    pool.shutdown()

try:
    for _ in range(20):
        assert fork(child) == 0
finally:
    stop.set()
    for thread in threads:
        thread.join()
"""
        )

    def test_forked_by_a_job_of_its_own(self, runs):
        runs(
            """
pool = ThreadPoolExecutor(2)

def child():
    assert pool.submit(abs, -3).result(timeout=30) == 3

assert pool.submit(fork, child).result() == 0
"""
        )

    def test_forked_while_another_thread_holds_a_future(self, runs):
        runs(
            """
pool, gate = ThreadPoolExecutor(1), threading.Event()
begun, held = threading.Event(), threading.Event()
pool.submit(lambda: (begun.set(), gate.wait()))
begun.wait()
queued = pool.submit(abs, -3)

def hold():
    with queued._condition:
        held.set()
        gate.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()

def child():
    assert isinstance(queued.exception(timeout=30), concurrent.futures.BrokenExecutor)
    assert pool.submit(abs, -4).result(timeout=30) == 4

assert fork(child) == 0
gate.set()
thread.join()
assert queued.result() == 3
"""
        )

    def test_calls_no_callbacks_in_the_child(self, runs):
        runs(
            """
pool, gate, begun = ThreadPoolExecutor(1), threading.Event(), threading.Event()
running = pool.submit(lambda: (begun.set(), gate.wait()))
begun.wait()
queued = pool.submit(abs, -3)
called = []
for future in (running, queued):
    future.add_done_callback(called.append)

def child():
    assert all(future.exception(timeout=30) for future in (running, queued))
    assert called == []

assert fork(child) == 0
gate.set()
pool.shutdown()
assert called == [running, queued]
"""
        )


@pytest.mark.nalsil_pool("portals are nalsil's")
def test_a_portal_of_the_parent_is_closed_in_the_child(runs):
    runs(
        """
import nalsil

portal = nalsil.Portal()
portal.start()
assert portal.call(int) == 0

def child():
    try:
        portal.call(int)
    except RuntimeError as error:
        assert "closed; hint: " in str(error), error
    else:
        raise AssertionError("was taken")
    portal.close()
    with nalsil.Portal() as own:
        assert own.call(int) == 0

assert fork(child) == 0
assert portal.call(int) == 0
portal.close()
"""
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the start method is Linux's")
def test_child_processes_may_be_forked_by_multiprocessing(runs):
    runs(
        """
import multiprocessing

with ThreadPoolExecutor(1) as pool:
    pool.submit(int).result()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=abs, args=(-1,))
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    )
