"""Cancellation of a start, at every moment: no child, no descriptor and no task stays behind."""

import asyncio
import subprocess

import pytest

from .conftest import has_children

PIPE = asyncio.subprocess.PIPE
SLEEP = ("sleep", "3600")


@pytest.mark.parametrize("pipes", [{}, {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}])
@pytest.mark.parametrize("program", ["sleep", "/nowhere/program"])
async def test_at_every_turn(pipes, program):
    outcomes = set()
    for patience in range(60):
        task = asyncio.ensure_future(asyncio.create_subprocess_exec(program, "3600", **pipes))
        for _ in range(patience):
            await asyncio.sleep(0)
        task.cancel()
        try:
            process = await task
        except asyncio.CancelledError:
            outcomes.add("cancelled")
        except FileNotFoundError:
            outcomes.add("missing")
        else:
            outcomes.add("made")
            process.kill()
            await process.wait()
        # What was cancelled has waited for the end of its child.
        assert not has_children()
    assert "cancelled" in outcomes


async def test_cancelled_twice(childless):
    for patience in range(4):
        task = asyncio.ensure_future(asyncio.create_subprocess_exec(*SLEEP, stdout=PIPE))
        for _ in range(patience):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await childless()


async def test_a_hundred_at_once(childless):
    tasks = [
        asyncio.ensure_future(asyncio.create_subprocess_exec(*SLEEP, stdin=PIPE))
        for _ in range(100)
    ]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, asyncio.subprocess.Process):
            outcome.kill()
            await outcome.wait()
        else:
            assert isinstance(outcome, asyncio.CancelledError)
    await childless()
    # A child that is killed while it shares this process's memory must not have held a lock there.
    assert subprocess.run(["/bin/sh", "-c", "exit 3"], check=False).returncode == 3


async def test_communicate_and_wait(childless):
    process = await asyncio.create_subprocess_exec(*SLEEP, stdin=PIPE, stdout=PIPE)
    for waiting in (process.communicate(b"x" * 100_000), process.wait()):
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    process.kill()
    assert await process.wait() == -9


@pytest.mark.nalsil_only  # on the stock loop nothing can come between
def test_a_loop_that_is_closed_while_children_are_made(program):
    done = program("""
        import asyncio, gc, os, time, warnings
        warnings.simplefilter("ignore")
        before = set(os.listdir("/proc/self/fd"))
        for turns in range(1, 6):
            loop = new_event_loop()
            tasks = [
                loop.create_task(asyncio.create_subprocess_exec("sleep", "3600", stdout=-1))
                for _ in range(20)
            ]
            for _ in range(turns):
                loop.call_soon(loop.stop)
                loop.run_forever()
            loop.close()
            for task in tasks:
                task._log_destroy_pending = False
            del tasks, task, loop
            gc.collect()
            try:
                while True:
                    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass
        while set(os.listdir("/proc/self/fd")) != before:
            time.sleep(0.001)
        print("nothing left")
    """)
    assert done.stdout == "nothing left\n", done.stderr
