"""Find the CPython interpreters of this machine that nalsil supports.

`python3 -m tools.pythons` prints them. The supported versions are the classifiers of
`pyproject.toml`; of each minor version the newest patch release is taken. Free-threaded builds,
pre-releases, other implementations and virtual environments (but not what they stand on) are
passed over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE_SECONDS = 30

PROBE = """
import importlib.util as util, json, platform, sys, sysconfig
print(json.dumps({
    "executable": getattr(sys, "_base_executable", sys.executable),
    "version": sys.version_info[:3],
    "plain": sys.version_info.releaselevel == "final"
        and platform.python_implementation() == "CPython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "ensurepip": util.find_spec("ensurepip") is not None,
    "suite": util.find_spec("test") is not None
        and util.find_spec("test.test_asyncio") is not None,
}))
"""


@dataclass(frozen=True)
class Python:
    """One CPython interpreter: where it is and what it brings."""

    executable: Path
    version: tuple[int, int, int]
    ensurepip: bool
    """Can make virtual environments with pip; Debian's own needs a package for that."""
    suite: bool
    """Brings CPython's test suite, which `tests/conformance` runs."""

    @property
    def minor(self) -> str:
        """`3.12`."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def release(self) -> str:
        """`3.12.1`."""
        return ".".join(map(str, self.version))


def supported_minors() -> list[str]:
    """The minor versions that `pyproject.toml` claims, oldest first: `["3.11", ...]`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claims = (
        re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", line)
        for line in project["classifiers"]
    )
    return [f"3.{minor}" for minor in sorted(int(claim[1]) for claim in claims if claim)]


def find(minors: Iterable[str]) -> list[Python]:
    """The interpreter to use for each of `minors` that this machine has, oldest first."""
    best: dict[str, Python] = {}
    for python in _found():
        known = best.get(python.minor)
        if python.minor in minors and (known is None or _rank(python) > _rank(known)):
            best[python.minor] = python
    return sorted(best.values(), key=lambda python: python.version)


def find_some() -> list[Python]:
    """The interpreters of this machine that nalsil supports, oldest first; at least one.

    Raises:
        SystemExit: there is none.
    """
    minors = supported_minors()
    found = find(minors)
    if not found:
        raise SystemExit(
            f"cannot find a CPython of {', '.join(minors)} on this machine\n"
            "hint: on Debian, apt-get install python3 python3-venv"
        )
    return found


def probe(executable: Path) -> Python | None:
    """What the interpreter says of itself; None if it does not run or is none of ours."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if not facts["plain"]:
        return None
    major, minor, patch = facts["version"]
    return Python(
        Path(facts["executable"]), (major, minor, patch), facts["ensurepip"], facts["suite"]
    )


def _rank(python: Python) -> tuple[bool, tuple[int, int, int], bool]:
    return python.ensurepip, python.version, python.suite


def _found() -> Iterator[Python]:
    seen = set()
    for executable in _executables():
        real = executable.resolve()
        # A shim stands for many interpreters: only itself tells which, so it counts by its name.
        key = real if real.name.startswith("python") else executable
        if key not in seen:
            seen.add(key)
            python = probe(executable)
            if python is not None:
                yield python


def _executables() -> Iterator[Path]:
    yield Path(sys.executable)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield from _named_python(Path(folder))
    for versions in (_pyenv_versions(), _uv_versions()):
        if versions is not None and versions.is_dir():
            for version in sorted(versions.iterdir()):
                yield from _named_python(version / "bin")


def _named_python(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.glob("python3*")):
            if re.fullmatch(r"python3(\.\d+)?", path.name) and os.access(path, os.X_OK):
                yield path


def _pyenv_versions() -> Path | None:
    root = os.environ.get("PYENV_ROOT") or _first_line("pyenv", "root")
    return Path(root) / "versions" if root else None


def _uv_versions() -> Path | None:
    folder = _first_line("uv", "python", "dir")
    return Path(folder) if folder else None


def _first_line(program: str, *arguments: str) -> str | None:
    """The first line that the program prints; None if it is not there or fails."""
    path = shutil.which(program)
    if path is None:
        return None
    answer = subprocess.run(
        [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    lines = answer.stdout.splitlines()
    return lines[0] if answer.returncode == 0 and lines else None


def main() -> None:
    """Print the interpreters that the tests run on."""
    minors = supported_minors()
    found = {python.minor: python for python in find(minors)}
    for minor in minors:
        python = found.get(minor)
        if python is None:
            print(f"{minor:6}not found")
            continue
        lacks = [] if python.ensurepip else ["cannot make virtual environments"]
        lacks += [] if python.suite else ["without CPython's test suite"]
        print(f"{minor:6}{python.release:8}{python.executable}  {', '.join(lacks)}".rstrip())


if __name__ == "__main__":
    main()
