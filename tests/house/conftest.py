"""The repository as the tests of this folder see it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Crate:
    """A member of the Cargo workspace."""

    name: str
    """The folder under `crates/`."""
    version: str
    dependencies: frozenset[str]
    """The names of all packages in its Cargo.toml, of whatever kind."""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The files that are or would be committed, relative to the root."""
    listed = _output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


@pytest.fixture(scope="session")
def crates() -> dict[str, Crate]:
    """The members of the workspace by the name of their Cargo package."""
    metadata = json.loads(_output("cargo", "metadata", "--no-deps", "--format-version=1"))
    return {package["name"]: _crate(package) for package in metadata["packages"]}


def _crate(package: dict[str, Any]) -> Crate:
    return Crate(
        Path(package["manifest_path"]).parent.name,
        package["version"],
        frozenset(dependency["name"] for dependency in package["dependencies"]),
    )


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
