"""`unsafe` stands where the system and the C interface of Python are called, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Crate
from .rust_source import rust_code

ALLOWED = (
    "crates/driver/src/sys/",
    "crates/python/src/capi/",
    "crates/python/src/event_loop/owner.rs",
)

FORBIDDING = ("observe", "pool", "report")
"""Crates that must forbid `unsafe` themselves, once they exist: nothing can allow it again."""


def test_unsafe_code_stands_only_where_it_is_allowed(root: Path, tracked: list[Path]) -> None:
    found = [
        f"{path}:{number}"
        for path, number, line in rust_code(root, tracked)
        if re.search(r"\bunsafe\b", line) and not path.as_posix().startswith(ALLOWED)
    ]
    assert not found


def test_no_other_file_allows_unsafe_code(root: Path, tracked: list[Path]) -> None:
    """The lint may be lifted in an allowed file, or on the line that declares it as a module."""
    lifted = [
        f"{path}:{number}"
        for path, number, line in rust_code(root, tracked)
        if re.search(r"\b(allow|expect|warn)\(.*\bunsafe_code\b", line)
        and not path.as_posix().startswith(ALLOWED)
    ]
    assert not lifted


def test_a_crate_without_unsafe_code_forbids_it(crates: dict[str, Crate], root: Path) -> None:
    names = {crate.name for crate in crates.values()} & set(FORBIDDING)
    assert "observe" in names
    for name in names:
        text = (root / "crates" / name / "src" / "lib.rs").read_text()
        assert "#![forbid(unsafe_code)]" in text, f"`{name}` does not forbid unsafe code"


@pytest.mark.parametrize("lint", ["unsafe_code", "unsafe_op_in_unsafe_fn"])
def test_the_workspace_denies_unsafe_code(root: Path, lint: str) -> None:
    assert f'{lint} = "deny"' in (root / "Cargo.toml").read_text()
