"""The interpreter is attached and detached in one file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from .rust_source import rust_code

GATE = Path("crates/python/src/gate.rs")

CROSSING = re.compile(
    r"\bPython::(attach|attach_unchecked|try_attach|detach)\b"
    r"|\bpy\.detach\("
    r"|\bPyEval_(AcquireThread|ReleaseThread|RestoreThread|SaveThread)\b"
    r"|\bPyGILState_(Ensure|Release)\b"
    r"|\bPyThreadState_Swap\b"
)


def test_only_the_gate_attaches_and_detaches(root: Path, tracked: list[Path]) -> None:
    found = [
        f"{path}:{number}"
        for path, number, line in rust_code(root, tracked)
        if CROSSING.search(line) and path != GATE
    ]
    assert not found


def test_the_gate_is_where_the_interpreter_is_crossed(root: Path) -> None:
    assert CROSSING.search((root / GATE).read_text())


def test_only_the_gate_lifts_the_ban(root: Path, tracked: list[Path]) -> None:
    """Elsewhere the lint may be lifted for another ban of clippy.toml, with its reason."""
    lifting = {
        path: line
        for path, _, line in rust_code(root, tracked)
        if "disallowed_methods" in line and path != GATE
    }
    unreasoned = [str(path) for path, line in lifting.items() if "reason" not in line]
    assert not unreasoned


def test_every_ban_of_clippy_has_a_reason(root: Path) -> None:
    settings = tomllib.loads((root / "clippy.toml").read_text())
    bans = settings["disallowed-methods"]
    assert bans
    assert [ban["path"] for ban in bans if not ban.get("reason")] == []
