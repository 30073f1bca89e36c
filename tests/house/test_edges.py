"""The crates depend on one another as the picture in ARCHITECTURE.md says, and on no Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Crate


@pytest.fixture
def drawn(root: Path) -> dict[str, set[str]]:
    """The edges of the picture: a line `driver -> observe, ...` for each crate."""
    picture = re.search(r"```edges\n(.*?)```", (root / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert picture, "ARCHITECTURE.md has no block of edges"
    edges = {}
    for line in picture[1].splitlines():
        crate, _, targets = line.partition("->")
        edges[crate.strip()] = {target.strip() for target in targets.split(",") if target.strip()}
    return edges


def test_the_crates_depend_on_one_another_as_drawn(
    crates: dict[str, Crate], drawn: dict[str, set[str]]
) -> None:
    built = {
        crate.name: {crates[name].name for name in crate.dependencies & crates.keys()}
        for crate in crates.values()
    }
    assert built == drawn


def test_every_crate_is_a_member(crates: dict[str, Crate], root: Path) -> None:
    folders = {manifest.parent.name for manifest in (root / "crates").glob("*/Cargo.toml")}
    assert {crate.name for crate in crates.values()} == folders


@pytest.mark.parametrize("package", ["pyo3", "pyo3-ffi", "pyo3-build-config"])
def test_only_the_binding_knows_python(crates: dict[str, Crate], package: str) -> None:
    users = {crate.name for crate in crates.values() if package in crate.dependencies}
    assert users <= {"python"}


def test_pyo3_stands_in_one_manifest_beside_the_shared_versions(
    root: Path, tracked: list[Path]
) -> None:
    naming = {
        path.as_posix()
        for path in tracked
        if path.name == "Cargo.toml" and re.search(r"^pyo3\b", (root / path).read_text(), re.M)
    }
    assert naming == {"Cargo.toml", "crates/python/Cargo.toml"}
