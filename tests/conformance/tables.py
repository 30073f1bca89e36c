"""The tables `scope.toml` and `exceptions.toml`."""

from __future__ import annotations

import dataclasses
import fnmatch
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclasses.dataclass(frozen=True)
class Entry:
    """Tests by pattern, on some versions of Python, and a reason."""

    test: str
    reason: str
    pythons: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.test.partition(".")[0]

    def applies(self) -> bool:
        """Whether the entry is for the running Python."""
        return not self.pythons or PYTHON in self.pythons

    def matches(self, test: str) -> bool:
        return fnmatch.fnmatchcase(test, self.test)


def entries(rows: Iterable[dict[str, Any]]) -> list[Entry]:
    """The rows of a table as entries for the running Python.

    Raises:
        ValueError: a row has no reason.
        TypeError: a row has a key that no entry has.
    """
    made = [Entry(**{**row, "pythons": tuple(row.get("pythons", ()))}) for row in rows]
    for entry in made:
        if not entry.reason.strip():
            raise ValueError(f"`{entry.test}` has no reason; hint: say what the test looks into")
    return [entry for entry in made if entry.applies()]


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text())


@dataclasses.dataclass(frozen=True)
class Scope:
    """The modules of a run, of `--all`, and the parts of them left to `--all`."""

    modules: tuple[str, ...]
    later: tuple[str, ...]
    outside: tuple[Entry, ...]


def load_scope() -> Scope:
    table = load("scope.toml")
    return Scope(
        tuple(table["modules"]), tuple(table["later"]), tuple(entries(table.get("outside", ())))
    )


def load_exceptions() -> list[Entry]:
    return entries(load("exceptions.toml").get("exception", ()))


def first_match(table: Iterable[Entry], test: str) -> Entry | None:
    return next((entry for entry in table if entry.matches(test)), None)


def stale(table: Iterable[Entry], module: str, tests: list[str]) -> list[Entry]:
    """The entries for a module that match none of its tests."""
    return [
        entry for entry in table if entry.module == module and not any(map(entry.matches, tests))
    ]
