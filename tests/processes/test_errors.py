"""Children that do not come to be: the exceptions of `subprocess.Popen`, and nothing left."""

import asyncio
import os
import subprocess

import pytest

PIPES = {"stdin": -1, "stdout": -1, "stderr": -1}


async def refused(error, *command, **keywords):
    """The exception that a start raises, on the loop as from Popen itself."""
    with pytest.raises(error) as raised:
        await asyncio.create_subprocess_exec(*command, **PIPES, **keywords)
    with pytest.raises(error) as wanted:
        subprocess.Popen(command, **PIPES, **keywords)
    assert raised.type is wanted.type
    assert told(raised.value) == told(wanted.value)
    return raised.value


def told(error):
    return error.errno, error.strerror, os.fspath(error.filename)


async def test_a_missing_program():
    error = await refused(FileNotFoundError, "no-such-program", "argument")
    assert (error.errno, error.filename) == (2, "no-such-program")
    error = await refused(FileNotFoundError, "/nowhere/program")
    assert error.filename == "/nowhere/program"


async def test_a_missing_directory_names_itself():
    error = await refused(FileNotFoundError, "true", cwd="/nowhere")
    assert error.filename == "/nowhere"


async def test_a_directory_that_is_none(tmp_path):
    file = tmp_path / "file"
    file.touch()
    error = await refused(NotADirectoryError, "true", cwd=file)
    assert os.fspath(error.filename) == str(file)


async def test_what_may_not_be_run(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert os.fspath((await refused(PermissionError, file)).filename) == str(file)
    assert (await refused(PermissionError, tmp_path)).errno == 13
    file.write_bytes(b"\x7fELF nonsense")
    file.chmod(0o755)
    error = await refused(OSError, file)
    assert error.errno == 8


async def test_a_folder_of_the_path_that_refuses_says_more_than_one_without(tmp_path):
    (tmp_path / "program").touch()
    env = {"PATH": f"/nowhere:{tmp_path}:/also/nowhere"}
    error = await refused(PermissionError, "program", env=env)
    assert error.filename == "program"


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"env": {"A=B": "c"}}, ValueError),
        ({"env": {"A": "b\0"}}, ValueError),
        ({"cwd": "a\0b"}, ValueError),
        ({"cwd": 1.5}, TypeError),
        ({"pass_fds": [-1]}, ValueError),
        ({"pass_fds": ["x"]}, ValueError),
        ({"user": -1}, ValueError),
        ({"user": 2**64}, OverflowError),
        ({"group": 2**64}, OverflowError),
        ({"extra_groups": "staff"}, ValueError),
        ({"extra_groups": [-1]}, ValueError),
        ({"user": "nobody-of-that-name"}, KeyError),
        ({"stdin": "no file"}, AttributeError),
        ({"startupinfo": object()}, ValueError),
        ({"no_such_keyword": 1}, TypeError),
    ],
)
async def test_bad_keywords(keywords, error):
    pipes = {**PIPES, **keywords}
    with pytest.raises(error):
        await asyncio.create_subprocess_exec("true", **pipes)


async def test_bad_arguments():
    for command in (["true", 5], ["true", None], [5]):
        with pytest.raises(TypeError):
            await asyncio.create_subprocess_exec(*command, **PIPES)
    with pytest.raises(ValueError, match="null"):
        await asyncio.create_subprocess_exec("true", "a\0b", **PIPES)


async def test_a_descriptor_that_is_not_open():
    with pytest.raises(OSError, match="Bad file descriptor"):
        await asyncio.create_subprocess_exec("true", pass_fds=[1_000], **PIPES)


async def test_the_protocol_is_made_first_and_hears_nothing():
    heard = []

    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self):
            heard.append("made")

        def connection_made(self, transport):
            heard.append("connected")

        def connection_lost(self, exc):
            heard.append("lost")

    loop = asyncio.get_running_loop()
    with pytest.raises(FileNotFoundError):
        await loop.subprocess_exec(Protocol, "/nowhere/program")
    await asyncio.sleep(0.01)
    assert heard == ["made"]


def test_without_descriptors_it_is_told_and_recovers(program):
    done = program("""
        import asyncio, os, resource
        async def main():
            await (await asyncio.create_subprocess_exec("true")).wait()
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            before = set(os.listdir("/proc/self/fd"))
            outcomes = []
            for spare in range(12):
                hoard = []
                try:
                    while True:
                        hoard.append(os.dup(0))
                except OSError:
                    pass
                for _ in range(spare):
                    os.close(hoard.pop())
                try:
                    process = await asyncio.create_subprocess_exec(
                        "cat", stdin=-1, stdout=-1, stderr=-1)
                    assert await process.communicate(b"hello") == (b"hello", b"")
                    outcomes.append("ran")
                except OSError as error:
                    outcomes.append(error.errno)
                await asyncio.sleep(0.01)
                for fd in hoard:
                    os.close(fd)
                left = set(os.listdir("/proc/self/fd")) - before
                assert not left, (spare, left)
            print(*outcomes)
            await (await asyncio.create_subprocess_exec("true")).wait()
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("childless")
    """)
    assert done.returncode == 0, done.stderr
    outcomes, childless = done.stdout.splitlines()
    outcomes = outcomes.split()
    assert childless == "childless"
    assert outcomes[0] == "24"
    assert outcomes[-1] == "ran"
    assert outcomes == sorted(outcomes)
