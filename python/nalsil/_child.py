"""A child process as the standard library knows it, made on a thread that never meets Python.

`subprocess.Popen` checks its arguments and opens its pipes in its constructor, and so it does here.
What it does last, to fork and to wait until the child has become its program, is left to a native
thread, while the loop runs on.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import Any

from nalsil import _nalsil

_STOCK_POPEN = subprocess.Popen
_SUPPORTED = _nalsil.Spawner.is_supported()
_LARGEST_ID = 0xFFFF_FFFF
_LARGEST_FD = 0x7FFF_FFFF

spawner = _nalsil.Spawner()
"""The threads that make children, of this process."""


def _after_fork_in_child() -> None:
    # The threads are those of the parent.
    global spawner
    spawner = _nalsil.Spawner()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Popen(subprocess.Popen[bytes]):
    """`subprocess.Popen`, but that the child does not run yet when the constructor returns.

    `plan` says what to run, for `EventLoop._start_child()`, and `started()` takes the answer. There
    is no plan if the child runs all the same: Python code that has to run in it (`preexec_fn`)
    makes Python's own way the only one, and so does a system without `clone` or `close_range`.
    """

    plan: dict[str, Any] | None = None
    _handles: tuple[int, ...] = ()

    def _execute_child(self, *arguments: Any) -> None:
        (
            args,
            executable,
            preexec_fn,
            close_fds,
            pass_fds,
            cwd,
            env,
            _startupinfo,
            _creationflags,
            shell,
            *handles,
            restore_signals,
            gid,
            gids,
            uid,
            umask,
            start_new_session,
            process_group,
        ) = arguments
        if preexec_fn is not None or not _SUPPORTED or not getattr(subprocess, "_USE_VFORK", True):
            super()._execute_child(*arguments)  # type: ignore[misc]
            return
        command, program = _command(args, executable, shell)
        sys.audit("subprocess.Popen", program, command, cwd, env)
        stdin, _, _, stdout, _, stderr = handles
        self.plan = {
            "environment": _variables(env),
            "programs": _candidates(program, env),
            "arguments": [os.fsencode(argument) for argument in command],
            "directory": None if cwd is None else os.fsencode(cwd),
            "stdio": (stdin, stdout, stderr),
            "keep": _kept(pass_fds) if close_fds else None,
            "umask": None if umask < 0 else umask,
            "new_session": bool(start_new_session),
            "process_group": None if process_group < 0 else process_group,
            "groups": None if gids is None else [_id(group, "gid") for group in gids],
            "group": _id(gid, "gid"),
            "user": _id(uid, "uid"),
            "restore_signals": bool(restore_signals),
        }
        self._handles, self._program, self._cwd = tuple(handles), program, cwd

    def started(self, pid: int, number: int, step: str) -> None:
        """Take what came of the start: a process id, or 0 with the system's error and its place.

        Raises:
            OSError: as the constructor of `subprocess.Popen` does.
        """
        self.release()
        if pid:
            self.pid = pid
            self._child_created = True
            return
        self.close_pipes()
        if not number:
            return
        where = {"program": self._program, "directory": self._cwd}.get(step)
        text = os.strerror(number)
        raise OSError(number, text) if where is None else OSError(number, text, where)

    def release(self) -> None:
        """Close the child's ends of the pipes: it has its own, or there is no child."""
        if self._handles:
            handles, self._handles = self._handles, ()
            self._close_pipe_fds(*handles)  # type: ignore[attr-defined]

    def close_pipes(self) -> None:
        """Close the parent's ends of the pipes, as far as nobody has taken them."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def popen(*args: Any, **keywords: Any) -> subprocess.Popen[bytes]:
    """Make a `Popen`; or what somebody has put in place of `subprocess.Popen`."""
    made_by = Popen if subprocess.Popen is _STOCK_POPEN else subprocess.Popen
    return made_by(*args, **keywords)


def _command(args: Any, executable: Any, shell: bool) -> tuple[list[Any], Any]:
    """Return the arguments of the program, and the program."""
    if isinstance(args, (str, bytes)):
        args = [args]
    elif isinstance(args, os.PathLike):
        if shell:
            raise TypeError("path-like args is not allowed when shell is true")
        args = [args]
    else:
        args = list(args)
    if shell:
        args = [executable or "/bin/sh", "-c", *args]
    return args, args[0] if executable is None else executable


def _variables(env: Any) -> list[bytes] | None:
    """Return an environment as the system takes it; None for that of this process."""
    if env is None:
        return None
    variables = []
    for name, value in env.items():
        encoded = os.fsencode(name)
        if b"=" in encoded:
            raise ValueError("illegal environment variable name")
        variables.append(encoded + b"=" + os.fsencode(value))
    return variables


def _candidates(program: Any, env: Any) -> list[bytes]:
    """Return the files that a program may be."""
    encoded = os.fsencode(program)
    if os.path.dirname(encoded):
        return [encoded]
    if env is None:
        folders = _folders(os.environ.get("PATH", os.defpath))
    else:
        folders = _folders(os.pathsep.join(map(os.fsdecode, os.get_exec_path(env))))
    return [folder + encoded for folder in folders]


@functools.lru_cache(16)
def _folders(path: str) -> list[bytes]:
    """Return the folders of a path, each with what separates it from a name."""
    return [os.path.join(os.fsencode(folder), b"") for folder in path.split(os.pathsep)]


def _kept(pass_fds: Any) -> list[int]:
    kept = sorted({int(fd) for fd in pass_fds})
    if kept and (kept[0] < 0 or kept[-1] > _LARGEST_FD):
        raise ValueError("bad value(s) in fds_to_keep")
    return kept


def _id(number: int | None, kind: str) -> int | None:
    if number is not None and number > _LARGEST_ID:
        raise OverflowError(f"{kind} is greater than maximum")
    return number
