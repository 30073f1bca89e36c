"""`make test`: everything that has to hold, on every supported Python of this machine.

python3 -m tools.check             all steps
python3 -m tools.check ruff 3.12   the steps whose name contains one of the words, and their needs
python3 -m tools.check --list      the names of the steps

What cannot have changed since it passed is kept; with CI=true in the environment everything runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.environments import (
    WHEEL_SOURCES,
    environment,
    identity,
    interpreter,
    rustc_version,
    wheel,
)
from tools.pythons import ROOT, Python, find_some, supported_minors
from tools.steps import Board, Shell, Step, chosen, key_of

STATE = ROOT / "target" / "check"
ENVIRONMENTS = ROOT / ".venvs"
LINT = ENVIRONMENTS / "lint"
TESTS = ROOT / "tests"
TESTED = (TESTS, ROOT / "examples", ROOT / "tools", ROOT / "pyproject.toml")
"""What the tests of a Python depend on, besides the package."""

CARGO_DENY = "0.20.2"

COMPARISONS = [
    f"tests/choice/{name}"
    for name in (
        "page",
        "test_bad_usage.py",
        "test_bad_work.py",
        "test_command_line.py",
        "test_executors.py",
        "test_results.py",
        "test_setup_teardown.py",
    )
]
"""Each of these runs `nalsil compare` for minutes, so the newest Python does for all of them, two
at a time: what they ask for holds on a busy machine."""

MEASUREMENTS = ["tests/choice/test_meter_mixtures.py", "tests/choice/test_verdicts_small.py"]
"""These measure for minutes: the newest Python again, and nothing beside them."""

LOOM = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS": "true",
    "LOOM_MAX_PREEMPTIONS": "5",
}
"""Loom walks through every interleaving with so many preemptions: two are enough for most known
bugs, and each one more multiplies the time by three or four. Optimised, but not linked for long."""


def main() -> int:
    """Run the steps that were asked for; 0 if all passed."""
    arguments = _arguments()
    rust = rustc_version()
    pythons = find_some()
    steps = chosen(list(all_steps(pythons)), arguments.words, "tools.check")
    if arguments.list:
        print("\n".join(step.name for step in steps))
        return 0
    in_ci = os.environ.get("CI", "").lower() in ("1", "true")
    print(f"nalsil: {len(steps)} steps, {rust}, {os.cpu_count()} cores")
    _tell_pythons(pythons)
    board = Board(STATE, keep=not in_ci)
    passed = board.run(steps)
    board.summarise()
    return 0 if passed else 1


def _tell_pythons(pythons: list[Python]) -> None:
    """Print which Pythons are tested, and which are not for want of an interpreter."""
    print("python " + ", ".join(python.release for python in pythons))
    missing = [m for m in supported_minors() if m not in {python.minor for python in pythons}]
    if missing:
        print(f"not on this machine, so not tested: python {', '.join(missing)}")
    print()


def all_steps(pythons: list[Python]) -> Iterator[Step]:
    """Every step, in the order in which they run: what is quick to fail comes first."""
    yield environment("lint: environment", pythons[-1], LINT, "lint")
    yield from _format_and_lint()
    yield from _rust(pythons[0])
    for python in pythons:
        yield from _python(python, newest=python is pythons[-1])
    yield from _once(pythons[0])


def _format_and_lint() -> Iterator[Step]:
    def ruff(*options: str) -> Step:
        return Step(
            f"lint: ruff {options[0]}",
            lambda shell: shell.run(interpreter(LINT), "-m", "ruff", *options, "."),
            needs=["lint: environment"],
        )

    yield ruff("check")
    yield ruff("format", "--check")
    yield Step(
        "rust: format",
        lambda shell: shell.run("cargo", "fmt", "--all", "--check", "--", "--color", "never"),
    )
    yield Step(
        "rust: dependencies",
        _cargo_deny,
        needs=["lint: environment"],
        inputs=lambda: key_of(CARGO_DENY, _rust_key(), ROOT / "deny.toml"),
    )


def _cargo_deny(shell: Shell) -> None:
    """Licences, sources and who may depend on what; the advisories need a network of their own."""
    program = LINT / "bin" / "cargo-deny"
    if not program.exists():
        tools = STATE / "tools"
        program = tools / "bin" / "cargo-deny"
        shell.run(
            *("cargo", "install", "cargo-deny", "--version", CARGO_DENY),
            *("--locked", "--root", tools),
        )
    shell.run(program, "--locked", "check", "bans", "licenses", "sources")


def _rust(python: Python) -> Iterator[Step]:
    pyo3 = {"PYO3_PYTHON": str(python.executable)}

    def kept(name: str, *command: str, **variables: str) -> Step:
        return Step(
            name,
            lambda shell: shell.run("cargo", *command, **variables),
            inputs=lambda: key_of(*command, str(variables), _rust_key()),
        )

    yield kept(
        "rust: clippy",
        *("clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"),
        **pyo3,
    )
    yield kept(
        "rust: docs",
        *("doc", "--workspace", "--no-deps", "--document-private-items", "--locked"),
        RUSTDOCFLAGS="-D warnings",
        **pyo3,
    )
    pure, loom = _crates()
    packages = [argument for name in pure for argument in ("--package", name)]
    yield kept("rust: tests", "test", "--locked", *packages)
    if loom:
        packages_with_loom = [argument for name in loom for argument in ("--package", name)]
        yield kept(
            "rust: loom",
            *("test", "--release", "--locked", "--lib", "--tests", *packages_with_loom),
            RUSTFLAGS="--cfg loom",
            CARGO_TARGET_DIR=str(ROOT / "target" / "loom"),
            **LOOM,
        )


def _python(python: Python, *, newest: bool) -> Iterator[Step]:
    folder = ENVIRONMENTS / python.minor
    name = f"python {python.minor}"
    installed = f"{name}: release build"

    def kept(
        title: str,
        *commands: tuple[str, ...],
        sources: Iterable[Path] = (),
        alone: bool = False,
    ) -> Step:
        def action(shell: Shell) -> None:
            for command in commands:
                shell.run(interpreter(folder), *command)

        def key() -> str:
            return key_of(identity(python), str(commands), (*WHEEL_SOURCES, *sources))

        return Step(f"{name}: {title}", action, needs=[installed], inputs=key, alone=alone)

    yield environment(f"{name}: environment", python, folder, "build", "tests")
    yield wheel(installed, python, folder, needs=f"{name}: environment")
    yield kept(
        "types",
        ("-m", "mypy", "--python-version", python.minor),
        ("-m", "mypy.stubtest", "nalsil._nalsil"),
    )
    elsewhere = ("tests/conformance", "tests/house", *COMPARISONS, *MEASUREMENTS)
    yield kept(
        "tests",
        ("-m", "pytest", "tests", "--durations=10", *(f"--ignore={path}" for path in elsewhere)),
        sources=TESTED,
    )
    yield kept(
        "conformance",
        ("-m", "pytest", "tests/conformance"),
        sources=(TESTS / "conformance", TESTS / "conftest.py", ROOT / "tools" / "pythons.py"),
    )
    # Behind what other steps can run beside.
    if newest:
        yield kept(
            "comparisons",
            ("-m", "pytest", "--durations=10", "-n2", "--dist=worksteal", *COMPARISONS),
            sources=TESTED,
            alone=True,
        )
        yield kept(
            "measurements",
            ("-m", "pytest", "--durations=10", *MEASUREMENTS),
            sources=TESTED,
            alone=True,
        )


def _once(python: Python) -> Iterator[Step]:
    """What does not depend on the version of Python, on the oldest one."""
    program = interpreter(ENVIRONMENTS / python.minor)
    installed = f"python {python.minor}: release build"
    install_test = "tests/house/test_install.py"
    yield Step(
        "house: types of the tools",
        lambda shell: shell.run(program, "-m", "mypy", "--package", "tools"),
        needs=[installed],
        inputs=lambda: key_of(ROOT / "tools", ROOT / "pyproject.toml"),
    )
    yield Step(
        "house: tests",
        lambda shell: shell.run(
            *(program, "-m", "pytest", "tests/house", f"--ignore={install_test}")
        ),
        needs=[installed],
    )
    yield Step(
        "house: install from sources",
        lambda shell: shell.run(program, "-m", "pytest", install_test),
        needs=[installed],
        inputs=lambda: key_of(
            identity(python), rustc_version(), (*WHEEL_SOURCES, ROOT / install_test)
        ),
    )


def _rust_key() -> str:
    names = ("crates", "Cargo.toml", "Cargo.lock", "clippy.toml", ".cargo")
    return key_of(rustc_version(), [ROOT / name for name in names])


def _crates() -> tuple[list[str], list[str]]:
    """The crates that know no Python, and those of them that loom tests."""
    answer = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    needs = {
        package["name"]: {dependency["name"] for dependency in package["dependencies"]}
        for package in json.loads(answer.stdout)["packages"]
    }
    pure = sorted(name for name, on in needs.items() if "pyo3" not in on)
    return pure, [name for name in pure if "loom" in needs[name]]


def _arguments() -> argparse.Namespace:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.check",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help="run only steps whose name contains one of these")
    parser.add_argument("--list", action="store_true", help="show the steps and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
