"""`make test-next`: the suites on the Pythons to come, in a root of their own.

python3 -m tools.next             make the root, build nalsil for its Pythons, run the suites
python3 -m tools.next 3.15        the steps whose name contains one of the words, and their needs
python3 -m tools.next --list      the names of the steps

The root is a Debian of the unstable suite in `target/next`, made by debootstrap from the mirror
that this machine's apt uses; delete the folder for a newer one. Nothing of the machine's own
changes. What is mounted in the root is mounted in a namespace that is gone with the command,
whatever happens.

It needs Linux, the rights of root, and debootstrap. Where the mirror does not have what the root is
made of, the command ends with 77.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.environments import (
    REQUIREMENTS,
    WHEEL_SOURCES,
    environment,
    interpreter,
    rustc_version,
)
from tools.pythons import ROOT, find_some
from tools.steps import Board, Shell, Step, StepFailed, chosen, key_of

MINORS = ("3.14", "3.15")
SUITE = "sid"
SUITES = ("loop", "transport", "tls", "processes", "threads", "package/test_import.py")
"""Those that need few packages, and no environment."""

STATE = ROOT / "target" / "next"
DEBIAN = STATE / "root"
READY = STATE / "root-is-ready"
NOT_TO_BE_HAD = STATE / "root-is-not-to-be-had"
TOOLS = ROOT / ".venvs" / "next"
INSIDE = "srv"
"""The folder of the root in which the repository is found."""

PACKAGES = tuple(
    package
    for minor in MINORS
    for package in (f"python{minor}", f"python{minor}-dev", f"libpython{minor}-testsuite")
)

# A frozen archive is older than its files allow.
APT = ("apt-get", "-o", "Acquire::Check-Valid-Until=false", "--quiet", "--yes")

ENTER = """
set -e
root=$1 repository=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$repository" "$root/srv"
status=0
chroot "$root" "$@" || status=$?
exit $status
"""
"""Enters the root from a namespace of its own: $1 the root, $2 the repository, then the command.
The shell stays: as the namespace's first process it gets the orphans, which are not the tests'."""


def main() -> int:
    """Run the steps that were asked for; 0 if all passed."""
    arguments = _arguments()
    steps = chosen(list(all_steps()), arguments.words, "tools.next")
    if arguments.list:
        print("\n".join(step.name for step in steps))
        return 0
    _check_machine()
    print(f"nalsil: {len(steps)} steps, {rustc_version()}, python {', '.join(MINORS)}\n")
    board = Board(STATE, keep=True)
    passed = board.run(steps)
    board.summarise()
    if NOT_TO_BE_HAD.exists():
        print("the Pythons to come cannot be had from here, so they are not tested")
        return 77
    return 0 if passed else 1


def all_steps() -> Iterator[Step]:
    """Every step, in the order in which they run."""
    yield Step(
        "root",
        _make_root,
        inputs=lambda: key_of(SUITE, *PACKAGES),
        makes=READY,
    )
    yield environment("tools", find_some()[-1], TOOLS, "build")
    for minor in MINORS:
        yield from _python(minor)


def _python(minor: str) -> Iterator[Step]:
    name = f"python {minor}"
    packages, installed = f"{name}: packages", f"{name}: release build"
    requirements = REQUIREMENTS / "next.txt"

    def install(shell: Shell) -> None:
        _install(shell, minor, "-r", requirements)
        # Not by PYTHONPATH, which Python can be told not to look at.
        place = DEBIAN / f"usr/local/lib/python{minor}/dist-packages"
        place.mkdir(parents=True, exist_ok=True)
        (place / "site.pth").write_text(f"/{INSIDE}/{_site(minor).relative_to(ROOT)}\n")

    yield Step(
        packages,
        install,
        needs=["root", "tools"],
        inputs=lambda: key_of(minor, requirements),
        makes=_site(minor),
    )
    yield Step(
        installed,
        lambda shell: _build(shell, minor),
        needs=[packages],
        inputs=lambda: key_of(minor, rustc_version(), WHEEL_SOURCES),
        makes=_site(minor) / "nalsil",
    )
    yield Step(
        f"{name}: tests",
        lambda shell: _run(
            shell,
            minor,
            *("-m", "pytest", "-p", "no:cacheprovider", *(f"tests/{suite}" for suite in SUITES)),
        ),
        needs=[installed],
    )
    yield Step(
        f"{name}: conformance",
        # The suites that the Python brings itself.
        lambda shell: _run(
            shell, minor, "-m", "tests.conformance", "--suite", "asyncio,concurrent_futures"
        ),
        needs=[installed],
    )


def _check_machine() -> None:
    """Raises SystemExit: telling what is missing."""
    if sys.platform != "linux":
        raise SystemExit("cannot make a root of Debian: this is not Linux")
    if os.geteuid() != 0:
        raise SystemExit(
            "cannot make a root of Debian without the rights of root\n"
            "hint: run it as root, in a container if you like"
        )
    for program in ("debootstrap", "unshare", "chroot"):
        if shutil.which(program, path=_PATH) is None:
            raise SystemExit(
                f"cannot find `{program}`\nhint: on Debian, apt-get install debootstrap mount"
            )


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _mirror() -> str:
    """Where apt on this machine gets Debian from.

    Raises:
        StepFailed: it does not say.
    """
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    wanted = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    try:
        answer = subprocess.run([*command, *wanted], capture_output=True, text=True, check=True)
        return answer.stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise StepFailed(
            "cannot tell a mirror of Debian from apt's sources; hint: apt-get update"
        ) from error


def _make_root(shell: Shell) -> None:
    READY.unlink(missing_ok=True)
    NOT_TO_BE_HAD.unlink(missing_ok=True)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if mount.startswith(f"{DEBIAN}/")]
    if inside:
        raise StepFailed(f"cannot make `{DEBIAN}` anew: something is mounted at `{inside[0]}`")
    if DEBIAN.exists():
        shutil.rmtree(DEBIAN)
    mirror = _mirror()
    NOT_TO_BE_HAD.touch()
    # What debootstrap mounts is gone with its namespace.
    shell.run(
        *("unshare", "--mount", "debootstrap", "--variant=minbase"),
        *("--include=ca-certificates", SUITE, DEBIAN, mirror),
        PATH=_PATH,
    )
    _enter(shell, *APT, "update")
    try:
        _enter(shell, *APT, "install", "--no-install-recommends", *PACKAGES)
    except StepFailed as error:
        raise StepFailed(f"the mirror does not have all of {', '.join(PACKAGES)}") from error
    NOT_TO_BE_HAD.unlink()
    READY.touch()


def _enter(shell: Shell, *command: str | Path) -> None:
    """Run a command in the root, with nothing of this machine's environment."""
    clean = ("/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")
    shell.run(
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("sh", "-c", ENTER, "enter", DEBIAN, ROOT),
        *(*clean, "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *command),
        PATH=_PATH,
    )


def _site(minor: str) -> Path:
    """Where the packages of one Python are, in a folder of the repository."""
    return STATE / "site" / minor


def _run(shell: Shell, minor: str, *arguments: str) -> None:
    """Run one of the root's Pythons in the repository's root."""
    variables = ("PYTHONDONTWRITEBYTECODE=1", f"PWD=/{INSIDE}")
    _enter(
        shell,
        *("/usr/bin/env", f"--chdir=/{INSIDE}", *variables),
        *(f"/usr/bin/python{minor}", *arguments),
    )


def _install(shell: Shell, minor: str, *what: str | Path) -> None:
    """Install packages for one of the root's Pythons, with the pip of one of this machine's."""
    abi = f"cp{minor.replace('.', '')}"
    machine = os.uname().machine
    platforms = (f"linux_{machine}", f"manylinux_2_28_{machine}", f"manylinux2014_{machine}")
    shell.run(
        *(interpreter(TOOLS), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--target", _site(minor), "--upgrade", "--only-binary=:all:"),
        *("--python-version", minor, "--implementation", "cp"),
        *(argument for name in (abi, "abi3", "none") for argument in ("--abi", name)),
        *(argument for name in platforms for argument in ("--platform", name)),
        *what,
    )


def _build(shell: Shell, minor: str) -> None:
    """Build a wheel with this machine's Rust for a Python of the root, and install it."""
    wheels = STATE / "wheels" / minor
    shutil.rmtree(wheels, ignore_errors=True)
    python = _outside(minor)
    shell.run(
        *(interpreter(TOOLS), "-m", "maturin", "build", "--release", "--compatibility", "linux"),
        *("--interpreter", python, "--out", wheels),
        CARGO_TARGET_DIR=str(ROOT / "target" / f"py{minor}"),
        PATH=_PATH,
    )
    _install(shell, minor, "--no-deps", *sorted(wheels.glob("*.whl")))


def _outside(minor: str) -> Path:
    """A program that runs a Python of the root, without entering the root.

    It has the same path in the root as outside of it, so that what the Python says of itself holds
    in both places.
    """
    program = STATE / f"python{minor}"
    program.write_text(f'#!/bin/sh\nexec chroot "{DEBIAN}" "{program}" "$@"\n')
    program.chmod(0o755)
    inside = DEBIAN / program.relative_to("/")
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.unlink(missing_ok=True)
    inside.symlink_to(f"/usr/bin/python{minor}")
    return program


def _arguments() -> argparse.Namespace:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.next",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help="run only steps whose name contains one of these")
    parser.add_argument("--list", action="store_true", help="show the steps and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
