"""`max_queue`: how many jobs may wait in line, and what `submit` does when there is no room."""

import queue
import signal
import threading
import time

import pytest

from .waiting import wait_until, wait_until_asleep

pytestmark = pytest.mark.nalsil_pool("its line has no bound")


def full_pool(busy_pool, room=2):
    """A pool whose one worker is busy and whose line is full."""
    pool = busy_pool(max_queue=room)
    for _ in range(room):
        pool.submit(int)
    return pool


def test_submit_does_not_wait_while_there_is_room(busy_pool):
    pool = full_pool(busy_pool, room=3)
    assert pool._work_queue.qsize() == 3


def test_submit_waits_for_room(busy_pool, in_thread, gate):
    pool, seen = busy_pool(max_queue=2), []
    submitters = [in_thread(pool.submit, seen.append, number) for number in range(5)]
    wait_until(lambda: sum(submitter.done() for submitter in submitters) == 2)
    for submitter in in_thread.threads:
        if submitter.is_alive():
            wait_until_asleep(submitter)
    assert sum(submitter.done() for submitter in submitters) == 2
    assert pool._work_queue.qsize() == 2
    gate.open()
    for submitter in submitters:
        submitter.result().result()
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_one_that_waits_goes_on_when_a_queued_job_is_cancelled(busy_pool, in_thread, gate):
    pool = busy_pool(max_queue=1)
    queued = pool.submit(int)
    submitter = in_thread(pool.submit, int)
    wait_until_asleep(in_thread.threads[-1])
    assert not submitter.done()
    assert queued.cancel()
    future = submitter.result()
    assert not future.done()
    gate.open()
    assert future.result() == 0


def test_one_that_waits_is_refused_when_the_pool_is_shut_down(busy_pool, in_thread, gate):
    pool = full_pool(busy_pool)
    submitter = in_thread(pool.submit, int)
    wait_until_asleep(in_thread.threads[-1])
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        submitter.result()


def test_without_blocking_it_is_refused(busy_pool, module, gate):
    pool, seen = full_pool(busy_pool), []
    with pytest.raises(module.QueueFull, match="hint: ") as caught:
        pool.options(block=False).submit(seen.append, 1)
    assert isinstance(caught.value, queue.Full)
    assert pool._work_queue.qsize() == 2
    gate.open()
    pool.shutdown()
    assert seen == []


def test_without_blocking_it_is_taken_while_there_is_room(busy_pool, gate):
    pool = busy_pool(max_queue=1)
    future = pool.options(block=False).submit(abs, -2)
    gate.open()
    assert future.result() == 2


def test_without_blocking_an_idle_worker_is_room(new_pool):
    pool = new_pool(1, max_queue=1)
    for number in range(200):
        assert pool.options(block=False).submit(abs, -number).result() == number


@pytest.mark.parametrize("seconds", [0, 0.02])
def test_it_is_refused_when_time_runs_out(busy_pool, module, seconds):
    pool = full_pool(busy_pool)
    begin = time.monotonic()
    with pytest.raises(module.QueueFull, match="hint: "):
        pool.options(timeout=seconds).submit(int)
    assert time.monotonic() - begin >= seconds
    assert pool._work_queue.qsize() == 2


def test_room_within_the_time_is_enough(busy_pool, in_thread, gate):
    pool = full_pool(busy_pool)
    submitter = in_thread(pool.options(timeout=60).submit, abs, -2)
    wait_until_asleep(in_thread.threads[-1])
    gate.open()
    assert submitter.result().result() == 2


class Rung(BaseException):
    """What the signal handler raises."""


@pytest.fixture
def ring_when_asleep(in_thread):
    """Sends the main thread a signal, whose handler raises `Rung`, once that thread waits."""

    def ring(signum, frame):
        raise Rung

    def send(thread):
        wait_until_asleep(thread)
        signal.pthread_kill(thread.ident, signal.SIGUSR1)

    previous = signal.signal(signal.SIGUSR1, ring)
    yield lambda: in_thread(send, threading.current_thread())
    signal.signal(signal.SIGUSR1, previous)


def test_a_signal_is_handled_while_it_waits(busy_pool, ring_when_asleep, gate):
    pool, seen = full_pool(busy_pool), []
    ring_when_asleep()
    with pytest.raises(Rung):
        pool.submit(seen.append, 1)
    gate.open()
    pool.shutdown()
    assert seen == []


def test_a_worker_that_fills_its_own_pool_makes_room_itself(new_pool):
    pool, seen = new_pool(1, max_queue=1), []

    def fill():
        for number in range(20):
            pool.submit(seen.append, number)

    pool.submit(fill).result()
    pool.shutdown()
    assert sorted(seen) == list(range(20))


def test_workers_that_fill_their_own_pool_go_on(new_pool, gate):
    pool, seen = new_pool(3, max_queue=2), []

    def fill(base):
        gate.job()
        for number in range(50):
            pool.submit(seen.append, base + number)

    futures = [pool.submit(fill, 100 * number) for number in range(3)]
    gate.wait_for(3)
    gate.open()
    for future in futures:
        future.result()
    pool.shutdown()
    assert sorted(seen) == [100 * base + number for base in range(3) for number in range(50)]


def test_map_feeds_a_short_line(new_pool):
    assert list(new_pool(2, max_queue=1).map(abs, range(-200, 0))) == list(range(200, 0, -1))


@pytest.mark.usefixtures("tiny_switch_interval")
def test_nothing_is_lost_under_pressure(new_pool, in_thread):
    pool, seen = new_pool(2, max_queue=1), []

    def submit_many(base):
        return [pool.submit(seen.append, base + number) for number in range(200)]

    submitters = [in_thread(submit_many, 1000 * number) for number in range(4)]
    for submitter in submitters:
        submitter.result()
    pool.shutdown()
    assert sorted(seen) == [1000 * base + number for base in range(4) for number in range(200)]
