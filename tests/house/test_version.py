"""One version everywhere."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import nalsil

from .conftest import Crate


def test_every_crate_has_the_version_of_the_package(crates: dict[str, Crate]) -> None:
    assert {crate.version for crate in crates.values()} == {nalsil.__version__}


def test_the_installed_package_says_the_same_version() -> None:
    assert importlib.metadata.version("nalsil") == nalsil.__version__


def test_pyproject_takes_the_version_from_cargo(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert "version" in project["dynamic"]


def test_the_changelog_tells_of_the_version(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(nalsil.__version__)}\]", text, re.MULTILINE)


def test_the_readme_gives_both_set_up_commands(root: Path) -> None:
    text = (root / "README.md").read_text()
    assert [command for command in ("make run", "make test") if command not in text] == []
