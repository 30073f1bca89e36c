"""nalsil installs from a checkout and from its source archive. Slow: each compiles the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nalsil

PROGRAM = """
import asyncio, nalsil

async def main():
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]

print(nalsil.run(main()))
"""

COMPILE_SECONDS = 900.0


@pytest.fixture
def install(root: Path, tmp_path: Path):
    """Installs what it is given into a new virtual environment and returns its interpreter."""

    def into_new_environment(source: Path) -> Path:
        python = tmp_path / "venv" / "bin" / "python"
        _run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
        _run(
            *(sys.executable, "-m", "pip", "--python", python, "install", "--no-input"),
            *("--disable-pip-version-check", source),
            CARGO_TARGET_DIR=str(root / "target" / "install"),
        )
        return python

    return into_new_environment


@pytest.mark.hang_after(COMPILE_SECONDS)
def test_the_source_archive_installs(install, root: Path, tmp_path: Path) -> None:
    _run(sys.executable, "-m", "maturin", "sdist", "--out", tmp_path, cwd=root)
    (archive,) = tmp_path.glob("nalsil-*.tar.gz")
    assert archive.name == f"nalsil-{nalsil.__version__}.tar.gz"
    _assert_works(install(archive), tmp_path)


@pytest.mark.hang_after(COMPILE_SECONDS)
def test_the_checkout_installs(install, root: Path, tmp_path: Path) -> None:
    _assert_works(install(root), tmp_path)


def _assert_works(python: Path, elsewhere: Path) -> None:
    assert _run(python, "-c", PROGRAM, cwd=elsewhere) == "nalsil\n"
    told = _run(python, "-m", "nalsil", "--version", cwd=elsewhere)
    assert nalsil.__version__ in told
    assert _run(python.with_name("nalsil"), "--version", cwd=elsewhere) == told


def _run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    answer = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return answer.stdout
