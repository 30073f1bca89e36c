"""The end of children: exit statuses, signals, groups, and others who wait for them."""

import asyncio
import os
import signal
import sys

import pytest

PIPE = asyncio.subprocess.PIPE


async def start(script, **keywords):
    return await asyncio.create_subprocess_exec("/bin/sh", "-c", script, **keywords)


@pytest.mark.parametrize("status", [0, 1, 42, 127, 255])
async def test_exit_statuses(status):
    process = await start(f"exit {status}")
    assert await process.wait() == status
    assert process.returncode == status
    assert await process.wait() == status


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGUSR1", "SIGINT"])
async def test_signals(name):
    process = await start("echo ready; exec sleep 3600", stdout=PIPE)
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.Signals[name])
    assert await process.wait() == -signal.Signals[name]


async def test_a_child_that_stops_and_goes_on_has_not_ended(turns):
    process = await start("echo ready; read line; exit 5", stdin=PIPE, stdout=PIPE)
    await process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    waiting = asyncio.ensure_future(process.wait())
    await turns(100)
    assert not waiting.done()
    process.send_signal(signal.SIGCONT)
    process.stdin.write(b"go\n")
    assert await waiting == 5


async def test_a_stopped_child_can_be_killed():
    process = await start("exec sleep 3600")
    process.send_signal(signal.SIGSTOP)
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_a_child_that_has_ended_is_not_signalled():
    process = await start("exit 0")
    await process.wait()
    try:
        process.kill()
        process.terminate()
    except ProcessLookupError:
        # As soon as the protocol knows.
        pass
    assert process.returncode == 0


async def test_a_group_is_killed_as_one(until):
    process = await start("sleep 3600 & echo $!; wait", stdout=PIPE, start_new_session=True)
    grandchild = int(await process.stdout.readline())
    os.killpg(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    # Both ends of the pipe are gone with it.
    assert await process.stdout.read() == b""
    await until(lambda: has_ended(grandchild))


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_kill_is_for_the_child_alone():
    process = await start("sleep 3600 & echo $!; wait", stdout=PIPE)
    grandchild = int(await process.stdout.readline())
    process.kill()
    os.kill(grandchild, 0)
    os.kill(grandchild, signal.SIGKILL)
    await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before, wait() waits for the pipes too")
async def test_wait_does_not_wait_for_a_grandchild_that_has_the_pipe():
    process = await start("sleep 3600 & echo $!", stdout=PIPE)
    grandchild = int(await process.stdout.readline())
    assert await process.wait() == 0
    os.kill(grandchild, signal.SIGKILL)
    assert await process.stdout.read() == b""


async def test_a_protocol_hears_everything_in_order():
    loop = asyncio.get_running_loop()
    heard, lost = [], loop.create_future()

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport):
            heard.append("made")
            assert transport.get_pid() > 0
            assert transport.get_returncode() is None
            for fd in range(3):
                assert transport.get_pipe_transport(fd) is not None

        def pipe_data_received(self, fd, data):
            heard.append((fd, data))

        def pipe_connection_lost(self, fd, exc):
            heard.append((fd, exc))

        def process_exited(self):
            heard.append("exited")

        def connection_lost(self, exc):
            heard.append("lost")
            lost.set_result(exc)

    transport, protocol = await loop.subprocess_exec(
        Protocol, "/bin/sh", "-c", "read line; echo out; echo err >&2; exit 3"
    )
    assert heard == ["made"]
    assert transport.get_protocol() is protocol
    transport.get_pipe_transport(0).write(b"go\n")
    transport.get_pipe_transport(0).close()
    assert await lost is None
    assert transport.get_returncode() == 3
    assert heard[0] == "made"
    assert heard[-1] == "lost"
    assert sorted(map(str, heard[1:-1])) == sorted(
        map(str, [(0, None), (1, b"out\n"), (1, None), (2, b"err\n"), (2, None), "exited"])
    )
    for fd, data in ((1, b"out\n"), (2, b"err\n")):
        assert heard.index((fd, data)) < heard.index((fd, None))
    transport.close()


async def test_the_popen_object_tells_the_same(until):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.subprocess_exec(
        asyncio.SubprocessProtocol, "/bin/sh", "-c", "exit 9", stdin=None, stdout=None, stderr=None
    )
    popen = transport.get_extra_info("subprocess")
    assert popen.pid == transport.get_pid()
    assert popen.args == ("/bin/sh", "-c", "exit 9")
    await until(lambda: transport.get_returncode() is not None)
    assert popen.returncode == popen.wait() == 9
    transport.close()


async def test_closing_the_transport_kills_the_child(childless):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "3600")
    transport.close()
    assert transport.is_closing()
    await childless()


@pytest.mark.filterwarnings("ignore:.*exit status already read")
async def test_somebody_else_waits_for_any_child():
    process = await start("read line; exit 7", stdin=PIPE)
    process.stdin.write(b"go\n")
    os.waitpid(process.pid, 0)
    assert await process.wait() == 255


async def test_sigchld_is_ignored():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = await start("exit 7")
        assert await process.wait() == 255
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/nowhere/program")
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.nalsil_only  # the stock loop leaves the zombie and its descriptor
def test_a_child_that_outlives_its_loop_is_no_zombie(program):
    done = program("""
        import asyncio, os, time, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        before = set(os.listdir("/proc/self/fd"))
        async def main():
            return [
                await asyncio.create_subprocess_exec("sh", "-c", "read line; exit 4", stdin=reading)
                for _ in range(5)
            ]
        reading, writing = os.pipe()
        loop = new_event_loop()
        children = loop.run_until_complete(main())
        loop.close()
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        print("they run")
        os.close(writing)
        try:
            while True:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            print("childless")
        popen = children[0]._transport.get_extra_info("subprocess")
        print(popen.wait())
        os.close(reading)
        while set(os.listdir("/proc/self/fd")) != before:
            time.sleep(0.001)
        print("closed")
    """)
    assert done.stdout.splitlines() == ["they run", "childless", "4", "closed"], done.stderr


@pytest.mark.nalsil_only  # the stock loop leaves zombies to the next Popen
def test_a_child_whose_transport_is_forgotten_is_killed_and_no_zombie(program):
    done = program("""
        import asyncio, gc, os, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        async def main():
            await asyncio.create_subprocess_exec("sleep", "3600")
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        gc.collect()
        try:
            while True:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            print("childless")
    """)
    assert done.stdout == "childless\n", done.stderr


def test_a_program_may_end_while_its_children_run(program):
    done = program("""
        import asyncio, os, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        async def main():
            await asyncio.create_subprocess_exec("sh", "-c", "read line", stdin=-1)
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        print("over")
    """)
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr
