"""Many children: thousands, from several loops and threads, beside what else the loop has to do."""

import asyncio
import os
import sys
import threading

import pytest

PIPE = asyncio.subprocess.PIPE


@pytest.mark.hang_after(180)
async def test_two_thousand_short_children():
    running = asyncio.Semaphore(50)

    async def one(number):
        async with running:
            process = await asyncio.create_subprocess_exec("true" if number % 2 else "false")
            return await process.wait()

    statuses = await asyncio.gather(*map(one, range(2_000)))
    assert statuses == [1, 0] * 1_000


@pytest.mark.hang_after(120)
async def test_two_hundred_children_at_once_answer_with_what_is_theirs():
    async def one(number):
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        text = f"{number} ".encode() * 20_000
        output, _ = await process.communicate(text)
        assert output == text
        return process.returncode

    assert await asyncio.gather(*map(one, range(200))) == [0] * 200


@pytest.mark.hang_after(120)
def test_two_loops_in_two_threads(new_loop):
    outcomes = []

    def live(loop):
        async def main():
            for number in range(100):
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", f"exit {number}", stdout=PIPE
                )
                assert await process.communicate() == (b"", None)
                outcomes.append(process.returncode)
                with pytest.raises(FileNotFoundError):
                    await asyncio.create_subprocess_exec("/nowhere/program")

        loop.run_until_complete(main())

    threads = [threading.Thread(target=live, args=(new_loop(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted([*range(100), *range(100)])


@pytest.mark.nalsil_only  # the stock loop stands still
async def test_the_loop_goes_on_while_a_child_is_made(turns):
    # The system looks in every folder of the path, which takes a while.
    env = {"PATH": ":".join(f"/nowhere/{number}" for number in range(8_000)) + ":/bin:/usr/bin"}
    making = asyncio.ensure_future(asyncio.create_subprocess_exec("true", env=env))
    await turns(2)
    count = 0
    while not making.done():
        count += 1
        await asyncio.sleep(0)
    process = await making
    assert await process.wait() == 0
    assert count > 100, "turns of the loop while the child was made"


@pytest.mark.nalsil_only
async def test_children_are_made_by_a_few_threads_of_their_own():
    processes = await asyncio.gather(*(asyncio.create_subprocess_exec("true") for _ in range(40)))
    for process in processes:
        await process.wait()
    names = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as file:
            names.append(file.read().strip())
    assert 1 <= names.count("nalsil-spawn") <= 4
    assert not [thread.name for thread in threading.enumerate() if "spawn" in thread.name]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
async def test_a_forked_child_makes_children_of_its_own(new_loop):
    await (await asyncio.create_subprocess_exec("true")).wait()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            asyncio.events._set_running_loop(None)
            loop = new_loop()

            async def main():
                process = await asyncio.create_subprocess_exec("printf", "hello", stdout=writing)
                return await process.wait()

            status = loop.run_until_complete(main())
            loop.close()
        finally:
            os._exit(status)
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os.read(reading, 100) == b"hello"
    os.close(reading)


async def test_sixty_four_kilobytes_there_and_back():
    data = bytes(range(256)) * 256
    for _ in range(5):
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate(data)
        assert output == data


async def test_a_python_that_prints_much_on_both_pipes():
    source = "import sys; print('o' * 10**6, end=''); print('e' * 10**6, end='', file=sys.stderr)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    assert (output, errors) == (b"o" * 10**6, b"e" * 10**6)
    assert process.returncode == 0
