"""Threads are started by whoever submits: by many at once, in vain, and interrupted."""

import contextlib
import signal
import threading

import pytest

from .waiting import wait_until, wait_until_asleep

PREFIX = "weaver"
NO_ROOM = "can't start new thread"
ONE_AT_A_TIME = "it starts its threads one after another, under a lock"
KEEPS_THE_JOB = "it keeps the job that it refuses"
FORGETS = "it forgets the thread, and does not wait for its job"


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith(PREFIX)]


@pytest.fixture
def starting_by(monkeypatch):
    """`with starting_by(start):` has start(go_on) called for each new worker."""

    @contextlib.contextmanager
    def patched(start):
        real = threading.Thread.start

        def start_worker(thread):
            if thread.name.startswith(PREFIX):
                start(lambda: real(thread))
            else:
                real(thread)

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start_worker)
            yield

    return patched


class Rung(BaseException):
    """What the signal handler raises."""


@pytest.fixture
def ring():
    """Sends the main thread a signal, whose handler raises `Rung`."""

    def raise_rung(signum, frame):
        raise Rung

    main = threading.main_thread().ident
    previous = signal.signal(signal.SIGUSR1, raise_rung)
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, previous)


class TestByMany:
    """Several threads submit at once."""

    @pytest.mark.usefixtures("tiny_switch_interval")
    def test_the_pool_knows_its_threads_and_waits_for_all(self, new_pool, new_gate, in_thread):
        for _ in range(10):
            pool, gate, barrier = new_pool(16, PREFIX), new_gate(), threading.Barrier(8)

            def submit_two(pool=pool, gate=gate, barrier=barrier):
                barrier.wait()
                return [pool.submit(gate.job) for _ in range(2)]

            submitters = [in_thread(submit_two) for _ in range(8)]
            futures = [future for submitter in submitters for future in submitter.result()]
            gate.wait_for(16)
            assert set(workers()) == set(pool._threads)
            gate.open()
            pool.shutdown()
            assert workers() == []
            assert all(future.done() for future in futures)

    @pytest.mark.nalsil_pool(ONE_AT_A_TIME)
    def test_threads_that_start_at_the_same_moment_are_all_known(
        self, new_pool, gate, in_thread, starting_by
    ):
        pool, all_start = new_pool(8, PREFIX), threading.Barrier(8)
        with starting_by(lambda go_on: (all_start.wait(), go_on())):
            submitters = [in_thread(pool.submit, gate.job) for _ in range(8)]
            gate.wait_for(8)
            for submitter in submitters:
                submitter.result()
        assert set(workers()) == set(pool._threads)
        assert len(pool._threads) == 8
        gate.open()
        pool.shutdown()
        assert workers() == []


@pytest.mark.nalsil_pool(KEEPS_THE_JOB)
class TestInVain:
    """The system gives no thread."""

    def test_a_job_that_waits_for_the_same_worker_fails_too(
        self, new_pool, gate, in_thread, starting_by
    ):
        def start(go_on):
            gate.job()
            raise RuntimeError(NO_ROOM)

        pool = new_pool(1, PREFIX)
        with starting_by(start):
            submitter = in_thread(pool.submit, int)
            gate.wait_for()
            other = pool.submit(int)
            gate.open()
            with pytest.raises(RuntimeError, match=NO_ROOM):
                submitter.result()
            with pytest.raises(RuntimeError, match=NO_ROOM):
                other.result()
        assert pool.submit(abs, -3).result() == 3

    def test_the_end_waits_for_no_thread_that_never_began(self, new_pool, starting_by):
        def start(go_on):
            raise RuntimeError(NO_ROOM)

        pool = new_pool(1, PREFIX)
        with starting_by(start), pytest.raises(RuntimeError, match=NO_ROOM):
            pool.submit(int)
        pool.shutdown()


def submit_and_wait_for_ever(pool, futures, begun):
    begun.set()
    while True:
        futures.append(pool.submit(int))
        futures[-1].result()


class TestInterrupted:
    """A signal handler raises in the midst of it, as Ctrl-C does."""

    @pytest.mark.nalsil_pool(FORGETS)
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_the_exception_arrives_and_the_pool_goes_on(
        self, new_pool, new_gate, in_thread, starting_by, ring, moment
    ):
        def start(go_on):
            if moment == "after":
                go_on()
            ring()

        pool, gate = new_pool(2, PREFIX), new_gate()
        with starting_by(start), pytest.raises(Rung):
            pool.submit(int)
        future = pool.submit(gate.job, "done")
        gate.wait_for()
        # A thread whose start was interrupted may have been told to end at once.
        wait_until(lambda: set(workers()) == set(pool._threads))
        ender = in_thread(pool.shutdown)
        wait_until_asleep(in_thread.threads[-1])
        assert not ender.done()
        gate.open()
        ender.result()
        assert future.result() == "done"

    def test_at_any_moment_of_submitting_and_waiting_nothing_is_lost(
        self, new_pool, new_gate, in_thread, ring
    ):
        pause = threading.Event()

        def ring_soon(begun, number):
            begun.wait()
            pause.wait(0.0001 * (number % 10))
            ring()

        for number in range(50):
            pool, gate, begun = new_pool(2), new_gate(), threading.Event()
            futures = [pool.submit(gate.job) for _ in range(2)]
            gate.wait_for(2)
            gate.open()
            ringer = in_thread(ring_soon, begun, number)
            with pytest.raises(Rung):
                submit_and_wait_for_ever(pool, futures, begun)
            ringer.result()
            pool.shutdown()
            assert all(future.done() for future in futures)
