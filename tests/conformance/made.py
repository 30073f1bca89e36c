"""Counts the loops and pools that tests make, so that what runs on what can be told."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

STOCK = "asyncio"
KINDS = ("loops", "pools", "stock_loops", "stock_pools")


class Made:
    """How many of each kind were made: by this process, and by scripts that it starts.

    A script appends the kind of what it makes as a line to the file `marks`.
    """

    def __init__(self, marks: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.marks = marks
        self.read = 0

    def add(self, kind: str) -> None:
        self.counts[kind] += 1

    def by_scripts(self) -> list[str]:
        """The kinds of what scripts made since the last call, which this one counts too."""
        text = self.marks.read_text() if self.marks.exists() else ""
        found = text[self.read :].split()
        self.read = len(text)
        self.counts.update(found)
        return found

    def take(self) -> dict[str, int]:
        """The counts since the last call, by kind."""
        self.by_scripts()
        counts = {kind: self.counts[kind] for kind in KINDS}
        self.counts.clear()
        return counts


def count(kind: type[Any], name: str, made: Made, *, but: tuple[type[Any], ...]) -> None:
    """Count in `made`, under `name`, the objects that are made of a class, `but` its heirs."""
    original = kind.__init__

    @functools.wraps(original)
    def counted(self: Any, *arguments: Any, **keywords: Any) -> None:
        if not isinstance(self, but):
            made.add(name)
        original(self, *arguments, **keywords)

    kind.__init__ = counted
