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
class Modules:
    """The modules of a suite that every run covers, and those that only `--all` does."""

    modules: tuple[str, ...]
    later: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Scope:
    """What a run covers: the modules of each suite, and the parts of them left to `--all`."""

    suites: dict[str, Modules]
    inside: tuple[Entry, ...]
    outside: tuple[Entry, ...]

    def covers(self, test: str) -> bool:
        """Whether a test of a module is run without `--all`."""
        named = [entry for entry in self.inside if entry.module == test.partition(".")[0]]
        if named and not first_match(named, test):
            return False
        return first_match(self.outside, test) is None

    def suite_of(self, module: str) -> str | None:
        """The suite that has a module, which no other suite has."""
        for suite, table in self.suites.items():
            if module in (*table.modules, *table.later):
                return suite
        return None


def load_scope() -> Scope:
    table = load("scope.toml")
    parts = {part: tuple(entries(table.pop(part, ()))) for part in ("inside", "outside")}
    suites = {
        name: Modules(tuple(row["modules"]), tuple(row["later"])) for name, row in table.items()
    }
    return Scope(suites, **parts)


def load_exceptions() -> list[Entry]:
    return entries(load("exceptions.toml").get("exception", ()))


def first_match(table: Iterable[Entry], test: str) -> Entry | None:
    return next((entry for entry in table if entry.matches(test)), None)


def stale(table: Iterable[Entry], module: str, tests: list[str]) -> list[Entry]:
    """The entries for a module that match none of its tests."""
    return [
        entry for entry in table if entry.module == module and not any(map(entry.matches, tests))
    ]
