"""Loops and threads: calls into a loop from others, and loops beside one another."""

import asyncio
import contextlib
import socket
import sys
import threading

import pytest

THREADS = 8
CALLS = 5000


@pytest.fixture
def tiny_switch_interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("tiny_switch_interval")
def test_calls_from_many_threads_all_arrive_and_keep_their_order(loop):
    seen = {number: [] for number in range(THREADS)}
    left = THREADS * CALLS

    def note(thread, count):
        nonlocal left
        seen[thread].append(count)
        left -= 1
        if not left:
            loop.stop()

    def work(thread):
        barrier.wait()
        for count in range(CALLS):
            loop.call_soon_threadsafe(note, thread, count)

    barrier = threading.Barrier(THREADS)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert all(counts == list(range(CALLS)) for counts in seen.values())


@pytest.mark.usefixtures("tiny_switch_interval")
def test_one_call_at_a_time_always_wakes_the_loop(loop):
    arrived = threading.Semaphore(0)
    rounds = 3000

    def work():
        for _ in range(rounds):
            loop.call_soon_threadsafe(arrived.release)
            # A lost wake-up leaves this thread here, and the hang guard ends the test.
            arrived.acquire()
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=work)
    thread.start()
    loop.run_forever()
    thread.join()


@pytest.mark.usefixtures("tiny_switch_interval")
def test_cancelling_from_another_thread_is_safe(loop):
    seen = []
    done = threading.Event()

    def work():
        for number in range(5000):
            handle = loop.call_soon_threadsafe(seen.append, number)
            if number % 2:
                handle.cancel()
        loop.call_soon_threadsafe(loop.stop)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    loop.run_forever()
    thread.join()
    assert set(range(0, 5000, 2)) <= set(seen)
    assert seen == sorted(set(seen))


def test_closing_while_threads_call_is_clean(new_loop):
    for _ in range(20):
        loop = new_loop()
        started = threading.Barrier(3)

        def work(loop=loop, started=started):
            started.wait()
            with contextlib.suppress(RuntimeError):
                while True:
                    loop.call_soon_threadsafe(int)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        started.wait()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        for thread in threads:
            thread.join()


def test_a_loop_made_here_may_run_elsewhere(loop):
    seen = []

    async def main():
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0.001)
        seen.append(threading.get_ident())

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    thread.join()
    assert seen == [thread.ident]
    loop.run_until_complete(main())
    assert seen == [thread.ident, threading.get_ident()]


def test_a_loop_running_in_another_thread_is_not_the_running_loop_here(loop):
    started = threading.Event()

    def elsewhere():
        loop.call_soon(started.set)
        loop.run_forever()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    started.wait()
    assert loop.is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="This event loop is already running"):
        loop.run_until_complete(coroutine)
    coroutine.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_two_loops_in_two_threads_talk_and_do_not_disturb_each_other(new_loop):
    rounds = 2000
    left, right = socket.socketpair()
    results = {}

    def work(name, sock, begins):
        loop = new_loop()
        sock.setblocking(False)

        async def main():
            if begins:
                await loop.sock_sendall(sock, b"0")
            for _ in range(rounds):
                received = await loop.sock_recv(sock, 1)
                await loop.sock_sendall(sock, received)
            return rounds

        results[name] = loop.run_until_complete(main())
        loop.close()

    with left, right:
        threads = [
            threading.Thread(target=work, args=("left", left, True)),
            threading.Thread(target=work, args=("right", right, False)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {"left": rounds, "right": rounds}


@pytest.mark.usefixtures("tiny_switch_interval")
def test_loops_live_and_die_in_many_threads(new_loop):
    failures = []

    def work():
        try:
            for number in range(20):
                loop = new_loop()
                assert loop.run_until_complete(asyncio.sleep(0.0001, number)) == number
                loop.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_run_coroutine_threadsafe_from_many_threads(run, loop):
    async def add_one(number):
        await asyncio.sleep(0)
        return number + 1

    def work(start):
        return [
            asyncio.run_coroutine_threadsafe(add_one(n), loop).result()
            for n in range(start, start + 100)
        ]

    async def main():
        return await asyncio.gather(
            *(loop.run_in_executor(None, work, start) for start in range(0, 400, 100))
        )

    assert [n for part in run(main()) for n in part] == list(range(1, 401))
