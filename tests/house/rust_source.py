"""Reading Rust without its comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def rust_code(root: Path, tracked: Iterable[Path]) -> Iterator[tuple[Path, int, str]]:
    """Path, line number and text of every line of Rust in `crates/`, without line comments."""
    for path in tracked:
        if path.suffix == ".rs" and path.parts[0] == "crates":
            lines = (root / path).read_text().splitlines()
            for number, line in enumerate(lines, start=1):
                yield path, number, re.sub(r"//.*", "", line)
