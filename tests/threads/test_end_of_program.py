"""Programs that end while threads are at work: they end well, and soon. Each is one of its own."""

import textwrap

import pytest

pytestmark = [
    pytest.mark.nalsil_only,
    pytest.mark.nalsil_pool("the programs are nalsil's"),
]

REPETITIONS = 3

PREPARED = """
import asyncio
import socket
import threading
import time

import nalsil


class SlowToGo:
    # Keeps the interpreter on its way out, while the other threads want it.
    def __del__(self, sleep=time.sleep):
        sleep(0.05)


slow = SlowToGo()
begun = threading.Semaphore(0)


def busy(*_):
    begun.release()
    while True:
        time.sleep(0.0005)
"""

IN_THE_MIDST = {
    "of a job": """
        pool = nalsil.ThreadPoolExecutor(2, exit_timeout=0.05)
        for _ in range(2):
            pool.submit(busy)
        for _ in range(2):
            begun.acquire()
    """,
    "of a done-callback in a worker": """
        pool = nalsil.ThreadPoolExecutor(2, exit_timeout=0.05)
        go = threading.Event()
        for _ in range(2):
            pool.submit(go.wait).add_done_callback(busy)
        go.set()
        for _ in range(2):
            begun.acquire()
    """,
    "of a destructor in a worker": """
        class Argument:
            def __del__(self, busy=busy):
                busy()

        pool = nalsil.ThreadPoolExecutor(2, exit_timeout=0.05)
        go = threading.Event()
        for _ in range(2):
            pool.submit(lambda argument: go.wait(), Argument())
        # From here on only the workers have the arguments.
        go.set()
        for _ in range(2):
            begun.acquire()
    """,
    "of a wait with a timeout in a worker": """
        never = nalsil.Future()

        def poll():
            begun.release()
            while True:
                try:
                    never.result(timeout=0.0005)
                except TimeoutError:
                    pass

        pool = nalsil.ThreadPoolExecutor(2, exit_timeout=0.05)
        for _ in range(2):
            pool.submit(poll)
        for _ in range(2):
            begun.acquire()
    """,
    "of a protocol of a loop in a daemon thread": """
        port = nalsil.Future()

        class Busy(asyncio.Protocol):
            data_received = busy

        async def serve():
            server = await asyncio.get_running_loop().create_server(Busy, "127.0.0.1", 0)
            port.set_result(server.sockets[0].getsockname()[1])
            await server.serve_forever()

        threading.Thread(target=nalsil.run, args=(serve(),), daemon=True).start()
        connection = socket.create_connection(("127.0.0.1", port.result()))
        connection.send(b"x")
        begun.acquire()
    """,
    "of callbacks of futures in a daemon thread": """
        def settle():
            while True:
                future = nalsil.Future()
                future.add_done_callback(lambda _: (begun.release(), time.sleep(0.0005)))
                future.set_result(1)

        threading.Thread(target=settle, daemon=True).start()
        begun.acquire()
    """,
    "of starting workers in daemon threads": """
        def submit():
            while True:
                pool = nalsil.ThreadPoolExecutor(2)
                try:
                    for future in [pool.submit(time.sleep, 0.0002) for _ in range(4)]:
                        future.result()
                except RuntimeError:
                    pass
                begun.release()

        for _ in range(3):
            threading.Thread(target=submit, daemon=True).start()
        for _ in range(10):
            begun.acquire()
    """,
}


@pytest.fixture
def ended(program):
    """Runs the source after `PREPARED`, and gives how it has ended."""
    return lambda source: program(PREPARED + textwrap.dedent(source))


@pytest.mark.parametrize("what", IN_THE_MIDST)
def test_a_program_may_end_in_the_midst(ended, what):
    for _ in range(REPETITIONS):
        outcome = ended(IN_THE_MIDST[what])
        assert outcome.returncode == 0, outcome.stderr
        assert "Fatal" not in outcome.stderr


def test_it_waits_for_all_jobs_however_many_threads_have_submitted(ended):
    for _ in range(REPETITIONS):
        outcome = ended(
            """
            import os
            import sys

            sys.setswitchinterval(1e-6)
            pool, barrier = nalsil.ThreadPoolExecutor(16), threading.Barrier(8)

            def job(number):
                while not pool._shutdown:
                    time.sleep(0.001)
                # One after another: a job that is not waited for is cut off.
                time.sleep(0.005 * number)
                os.write(1, b".")

            def submit(number):
                barrier.wait()
                for number in (number, 8 + number):
                    pool.submit(job, number)

            threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            """
        )
        assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("." * 16, "", 0)


def test_a_stuck_job_does_not_hold_it_up_though_the_loop_gave_up_on_the_executor(ended):
    outcome = ended(
        """
        def stuck():
            begun.release()
            threading.Event().wait()

        loop, pool = nalsil.new_event_loop(), nalsil.ThreadPoolExecutor(2, exit_timeout=0.05)
        loop.set_default_executor(pool)

        async def main():
            loop.run_in_executor(None, stuck)
            pool.submit(stuck)
            for _ in range(2):
                begun.acquire()
            await loop.shutdown_default_executor(timeout=0.01)

        loop.run_until_complete(main())
        loop.close()
        print("main ends")
        """
    )
    assert (outcome.stdout, outcome.returncode) == ("main ends\n", 0), outcome.stderr
    assert "joining its threads within 0.01" in outcome.stderr
    assert "left running at exit" in outcome.stderr
