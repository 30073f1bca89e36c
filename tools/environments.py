"""The virtual environments of this repository, and the wheels built and installed into them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tools.pythons import ROOT, Python
from tools.steps import Shell, Step, StepFailed, key_of

REQUIREMENTS = ROOT / "tools" / "requirements"

WHEEL_SOURCES = tuple(
    ROOT / name
    for name in (
        ".cargo",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "crates",
        "pyproject.toml",
        "python",
    )
)
"""All that a wheel is made of."""


@cache
def rustc_version() -> str:
    """What `rustc --version` prints.

    Raises:
        SystemExit: there is no Rust on this machine.
    """
    try:
        answer = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            "cannot run `rustc`: nalsil is written in Rust\n"
            "hint: install Rust as https://rustup.rs tells, then try again"
        ) from error
    return answer.stdout.strip()


def identity(python: Python) -> str:
    """What tells one interpreter of this machine from another."""
    return f"{python.executable} {python.release}"


def interpreter(folder: Path) -> Path:
    """The interpreter of the virtual environment in `folder`."""
    return folder / "bin" / "python"


def environment(name: str, python: Python, folder: Path, *requirements: str) -> Step:
    """The step that makes a virtual environment and installs files of `tools/requirements`."""
    files = [REQUIREMENTS / f"{requirement}.txt" for requirement in requirements]

    def make(shell: Shell) -> None:
        _make_environment(shell, python, folder)
        listed = [argument for file in files for argument in ("-r", str(file))]
        shell.run(interpreter(folder), *_PIP_INSTALL, *listed)

    return Step(
        name,
        make,
        inputs=lambda: key_of(identity(python), str(folder), files),
        makes=interpreter(folder),
    )


def wheel(name: str, python: Python, folder: Path, needs: str) -> Step:
    """The step that builds nalsil for `python`, in release mode, and installs it in `folder`."""
    wheels = ROOT / "target" / "wheels" / python.minor

    def make(shell: Shell) -> None:
        shutil.rmtree(wheels, ignore_errors=True)
        # One target folder for each version: the binding is compiled against one interpreter, and
        # a shared folder would compile it anew at every change of interpreter.
        shell.run(
            *(interpreter(folder), "-m", "maturin", "build", "--release"),
            *("--compatibility", "linux", "--interpreter", python.executable, "--out", wheels),
            CARGO_TARGET_DIR=str(ROOT / "target" / f"py{python.minor}"),
        )
        shell.run(
            *(interpreter(folder), *_PIP_INSTALL, "--force-reinstall", "--no-deps"),
            *sorted(wheels.glob("*.whl")),
        )

    return Step(
        name,
        make,
        needs=[needs],
        inputs=lambda: key_of(identity(python), rustc_version(), WHEEL_SOURCES),
        makes=wheels,
    )


_PIP_INSTALL = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input")


def _make_environment(shell: Shell, python: Python, folder: Path) -> None:
    """Make an empty virtual environment with pip, also where there is no `ensurepip`."""
    if python.ensurepip:
        shell.run(python.executable, "-m", "venv", "--clear", folder)
        return
    try:
        shell.run(python.executable, "-m", "venv", "--clear", "--without-pip", folder)
        shell.run(
            *(python.executable, "-m", "pip", "--python", interpreter(folder)),
            *("install", "--disable-pip-version-check", "pip"),
        )
    except StepFailed as error:
        raise StepFailed(
            f"cannot make a virtual environment: `{python.executable}` is without `ensurepip`; "
            "hint: on Debian, apt-get install python3-venv"
        ) from error
