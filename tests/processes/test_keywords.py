"""Every keyword of `subprocess.Popen`, as the child sees it."""

import asyncio
import grp
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import warnings

import pytest

PIPE = asyncio.subprocess.PIPE
TELL = "tell() { [ -e /proc/self/fd/$1 ] && echo open || echo closed; }; tell"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change user and group")


async def said(*command, **keywords):
    """What a child writes to its standard output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, **keywords)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def shell(script, **keywords):
    """What a script of the shell writes to its standard output."""
    return await said("/bin/sh", "-c", script, **keywords)


async def python(source, **keywords):
    return await said(sys.executable, "-c", source, **keywords)


async def test_a_program_is_found_on_the_path_and_gets_its_arguments():
    assert await said("printf", "%s.%s", "one", b"two") == "one.two"


async def test_cwd(tmp_path):
    assert await shell("pwd -P", cwd=tmp_path) == str(tmp_path.resolve())
    assert await shell("pwd -P", cwd=os.fsencode(tmp_path)) == str(tmp_path.resolve())


async def test_env_replaces_the_environment():
    assert await said("/usr/bin/env", env={"A": "1", b"B": b"2"}) == "A=1\nB=2"
    assert await said("/usr/bin/env", env={}) == ""


async def test_without_env_the_child_has_the_environment_of_this_moment(monkeypatch):
    monkeypatch.setenv("NALSIL_HERE", "now")
    assert await shell("echo $NALSIL_HERE") == "now"
    monkeypatch.delenv("NALSIL_HERE")
    assert await shell("echo [$NALSIL_HERE]") == "[]"


async def test_a_program_is_looked_for_on_the_path_of_env(tmp_path):
    program = tmp_path / "hello-from-here"
    program.write_text("#!/bin/sh\necho hello")
    program.chmod(0o755)
    path = f"/nowhere:{tmp_path}:/usr/bin"
    assert await said("hello-from-here", env={"PATH": path}) == "hello"


async def test_executable_takes_the_place_of_the_program():
    assert await said("a name", "-c", "echo $0", executable="/bin/sh") == "a name"


async def test_a_shell_command_and_another_shell(tmp_path):
    process = await asyncio.create_subprocess_shell("echo $0; exit 3", stdout=PIPE)
    output, _ = await process.communicate()
    assert (output, process.returncode) == (b"/bin/sh\n", 3)
    other = tmp_path / "shell"
    other.write_text('#!/bin/sh\necho "$1 $2"')
    other.chmod(0o755)
    process = await asyncio.create_subprocess_shell("a command", executable=other, stdout=PIPE)
    assert await process.communicate() == (b"-c a command\n", None)


async def test_pass_fds_stay_open_and_others_do_not():
    reading, writing = os.pipe()
    other_reading, other_writing = os.pipe()
    os.set_inheritable(other_writing, True)
    script = f"echo kept >/proc/self/fd/{writing}; {TELL} {other_writing}"
    try:
        assert await shell(script, pass_fds=[writing]) == "closed"
        assert os.read(reading, 100) == b"kept\n"
        assert not os.get_inheritable(writing)
    finally:
        for fd in (reading, writing, other_reading, other_writing):
            os.close(fd)


async def test_close_fds_false_leaves_what_is_inheritable():
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        script = f"echo here >/proc/self/fd/{writing}; {TELL} {reading}"
        assert await shell(script, close_fds=False) == "closed"
        assert os.read(reading, 100) == b"here\n"
    finally:
        os.close(reading)
        os.close(writing)


async def test_start_new_session():
    assert await python("import os; print(os.getsid(0) == os.getpid())") == "False"
    source = "import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"
    assert await python(source, start_new_session=True) == "True"


async def test_process_group():
    source = "import os; print(os.getpgid(0), os.getpid())"
    own = (await python(source)).split()
    assert own[0] == str(os.getpgid(0))
    group, pid = (await python(source, process_group=0)).split()
    assert group == pid
    with pytest.raises(PermissionError):
        await python(source, process_group=2**30)


async def test_umask():
    assert await shell("umask", umask=0o027) == "0027"


async def test_restore_signals():
    script = "import signal; print(signal.getsignal(signal.SIGXFSZ).name)"
    # Python ignores the signal again when it starts, so the shell has to say.
    ignored = "grep SigIgn /proc/self/status"
    with_default = int((await shell(ignored)).split()[1], 16)
    left = int((await shell(ignored, restore_signals=False)).split()[1], 16)
    pipe = 1 << (signal.SIGPIPE - 1)
    assert not with_default & pipe
    assert left & pipe
    assert await python(script) == "SIG_IGN"


async def test_handlers_of_this_process_are_not_the_child_s_and_its_mask_is():
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        # A shell would let all signals in.
        status = await said("grep", "-E", "SigBlk|SigCgt", "/proc/self/status")
        blocked, caught = (int(line.split()[1], 16) for line in status.splitlines())
        assert blocked == 1 << (signal.SIGUSR2 - 1)
        assert not caught & (1 << (signal.SIGUSR1 - 1))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        signal.signal(signal.SIGUSR1, before)


async def test_pipesize():
    source = "import fcntl, sys; print(fcntl.fcntl(1, fcntl.F_GETPIPE_SZ))"
    assert await python(source, pipesize=8192) == "8192"


async def test_preexec_fn_runs_in_the_child():
    with warnings.catch_warnings():
        # Of a process with several threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        assert await shell("umask", preexec_fn=lambda: os.umask(0o55)) == "0055"
        with pytest.raises(subprocess.SubprocessError, match="preexec_fn"):
            await shell("umask", preexec_fn=lambda: 1 / 0)


@AS_ROOT
async def test_user_group_and_extra_groups_by_number_and_name():
    nobody = pwd.getpwnam("nobody")
    other = next(group for group in grp.getgrall() if group.gr_gid not in (0, nobody.pw_gid))
    script = "grep -E '^(Uid|Gid|Groups)' /proc/self/status"
    uid, gid = f"{nobody.pw_uid} " * 4, f"{nobody.pw_gid} " * 4
    wanted = f"Uid: {uid}Gid: {gid}Groups: {other.gr_gid}"
    for keywords in (
        {"user": "nobody", "group": nobody.pw_gid, "extra_groups": [other.gr_name]},
        {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [other.gr_gid]},
    ):
        assert " ".join((await shell(script, cwd="/", **keywords)).split()) == wanted
    assert (await shell("grep Groups /proc/self/status", extra_groups=[])).split() == ["Groups:"]
    assert os.getuid() == 0


@AS_ROOT
async def test_rights_of_another_are_not_enough_for_everything(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(PermissionError):
        await said(tmp_path / "program", user="nobody")


async def test_files_devnull_and_one_pipe_for_both():
    with tempfile.TemporaryFile() as file:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            "cat; echo out; echo err >&2",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert await process.wait() == 0
        file.seek(0)
        assert file.read() == b"out\nerr\n"
    assert await shell("echo out; echo err >&2", stderr=asyncio.subprocess.STDOUT) == "out\nerr"


def test_descriptors_below_three_may_be_anything(program):
    # Every way in which 0, 1 and 2 may be closed, or stand for one another.
    done = program("""
        import asyncio, itertools, os
        kept = os.dup(1)
        async def main():
            for closed in itertools.product([False, True], repeat=3):
                saved = [os.dup(fd) for fd in range(3)]
                for fd in range(3):
                    if closed[fd]:
                        os.close(fd)
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", "read line; echo $line; echo $line more >&2",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                said = await process.communicate(b"hello\\n")
                for _ in range(10):
                    # The pipes, which may have taken the low numbers, are closed.
                    await asyncio.sleep(0)
                for fd in range(3):
                    os.dup2(saved[fd], fd)
                    os.close(saved[fd])
                assert said == (b"hello\\n", b"hello more\\n"), (closed, said)
            for wanted in itertools.permutations(range(3)):
                # The pipe is moved to each of the low numbers in turn.
                reading, writing = os.pipe()
                saved = [os.dup(fd) for fd in range(3)]
                os.dup2(writing, wanted[0], inheritable=False)
                os.dup2(writing, wanted[1], inheritable=False)
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", "echo out; echo err >&2",
                    stdout=wanted[0], stderr=wanted[1],
                )
                assert await process.wait() == 0
                for fd in range(3):
                    os.dup2(saved[fd], fd)
                    os.close(saved[fd])
                os.close(writing)
                said = os.read(reading, 100)
                os.close(reading)
                assert said == b"out\\nerr\\n", (wanted, said)
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        os.write(kept, b"done")
    """)
    assert done.stdout == "done", done.stderr


def test_the_audit_event_is_that_of_popen(program):
    done = program("""
        import asyncio, sys
        events = []
        def hook(name, args):
            if name == "subprocess.Popen":
                events.append(args)
        sys.addaudithook(hook)
        async def main():
            process = await asyncio.create_subprocess_exec("true", "x", cwd="/", env={"A": "b"})
            await process.wait()
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        print(events)
    """)
    assert done.stdout == "[('true', ['true', 'x'], '/', {'A': 'b'})]\n", done.stderr


async def test_what_stands_in_place_of_popen_is_used(monkeypatch):
    made = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **keywords):
            made.append(args)
            super().__init__(*args, **keywords)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    assert await said("printf", "hello") == "hello"
    assert made == [(("printf", "hello"),)]
