"""What the tests of `nalsil compare` share: files of work, the command, and what it leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .command import Answer, Command


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command in a folder of the test; nothing it starts may outlive it."""
    command = Command(tmp_path)
    yield command
    left = command.left_behind()
    for number in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    assert not left, f"the command left processes behind: {left}"


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of work."""

    def write(source: str, name: str = "work.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return path

    return write


@pytest.fixture
def compare(command: Command) -> Callable[..., Answer]:
    """Runs the command to its end: a target, then options."""
    return command.run


@pytest.fixture
def complains(compare: Callable[..., Answer]) -> Callable[..., str]:
    """Runs a command line that cannot work; gives the complaint, which has to be a plain one."""

    def run(target: str, *options: str, status: int = 2) -> str:
        answer = compare(target, *options)
        assert answer.status == status, answer.complaint + answer.text
        assert answer.text == ""
        assert "Traceback" not in answer.complaint
        assert answer.report is None
        return answer.complaint

    return run
