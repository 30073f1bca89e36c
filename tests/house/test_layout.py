"""Files are named for what they are, hold no path of one machine, and are where the docs say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EMPTY_NAMES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}
"""Names that say nothing of what is inside, so that anything may end up there."""

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(root|home/\w+|Users/\w+|work)/|\.py[e]nv\b")

GUIDES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")


def test_no_name_is_empty(tracked: list[Path]) -> None:
    named = [str(path) for path in tracked if EMPTY_NAMES & set(path.with_suffix("").parts)]
    assert not named


def test_no_file_holds_a_path_of_one_machine(root: Path, tracked: list[Path]) -> None:
    found = []
    for path in tracked:
        text = (root / path).read_bytes().decode(errors="replace")
        own = {str(root), str(Path.home())} - {"/"}
        if MACHINE_PATH.search(text) or any(f"{folder}/" in text for folder in own):
            found.append(str(path))
    assert not found


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_names_exists(root: Path, guide: str) -> None:
    """A path in backticks has a slash and an ending, or ends with a slash."""
    text = (root / guide).read_text()
    named = re.findall(r"`([\w.-]+/(?:[\w.-]+/)*(?:[\w-]+\.\w+)?)`", text)
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    missing = [name for name in named + links if not _exists(root, name)]
    assert not missing


def _exists(root: Path, name: str) -> bool:
    """From the root, or short of the folders that the guide's headings name."""
    bases = (root, root / "crates", root / "crates/python/src", root / "python")
    return any((base / name).exists() for base in bases)


def test_the_architecture_names_every_crate(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text()
    crates = [manifest.parent.name for manifest in (root / "crates").glob("*/Cargo.toml")]
    assert crates
    assert [name for name in crates if f"`crates/{name}/`" not in text] == []
