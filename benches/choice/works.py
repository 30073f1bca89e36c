"""The table of works. `nalsil compare` was not made with them; they are only judged here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "work"


@dataclass(frozen=True)
class Work:
    """A function of a file, its async version if it has one, and how many items there are."""

    file: str
    function: str
    items: int
    both: bool = False
    only_async: bool = False
    needs: str | None = None
    """The package it imports."""
    quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.file}/{self.function}"

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.file}.py"

    @property
    def functions(self) -> str:
        """What `nalsil compare` is given after the colon."""
        if self.only_async:
            return f"a{self.function}"
        return f"{self.function},a{self.function}" if self.both else self.function


WORKS = [
    Work("requests_to_server", "get_5ms", 400, both=True, quick=True),
    Work("requests_to_server", "get_50ms", 300, both=True),
    Work("requests_to_server", "get_200ms", 200, both=True),
    Work("requests_to_server", "get_limited", 600, both=True, quick=True),
    Work("requests_to_server", "get_large", 200, both=True),
    Work("requests_to_server", "get_then_json", 200, both=True, quick=True),
    Work("requests_to_server", "get_anew", 300, both=True),
    Work("requests_by_aiohttp", "get", 300, both=True, needs="aiohttp"),
    Work("waiting", "paced", 500, both=True, quick=True),
    Work("waiting", "of_random_length", 400, both=True),
    Work("waiting", "mixed", 100, both=True),
    Work("waiting", "mostly_waits", 300),
    Work("waiting", "in_turn", 100),
    Work("waiting", "with_the_gil", 100, quick=True),
    Work("waiting", "look_up", 2000),
    Work("files", "read_small", 5000, quick=True),
    Work("files", "read_large", 60),
    Work("files", "write_and_sync", 200),
    Work("files", "query", 100),
    Work("files", "fetch_rows", 100),
    Work("files", "commit", 100),
    Work("children", "compress", 60, both=True),
    Work("children", "sleep", 80, both=True, quick=True),
    Work("native_code", "sha256", 300, quick=True),
    Work("native_code", "small_sha256", 5000),
    Work("native_code", "compress", 60),
    Work("native_code", "bzip", 60),
    Work("native_code", "xz", 100),
    Work("native_code", "scrypt", 60),
    Work("matrices", "product", 200, needs="numpy"),
    Work("matrices", "small_steps", 200, needs="numpy"),
    Work("python_code", "tiny", 20_000, quick=True),
    Work("python_code", "small", 5000),
    Work("python_code", "middling", 500),
    Work("python_code", "large", 60, quick=True),
    Work("python_code", "backtracks", 100),
    Work("python_code", "parse", 200),
    Work("python_code", "returns_much", 60),
    Work("python_code", "of_uneven_length", 200),
]
