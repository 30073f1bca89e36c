"""What the command line asks for."""

from __future__ import annotations

from dataclasses import dataclass

from nalsil._compare.target import Target


@dataclass(frozen=True)
class Options:
    """What the command line asks for; seconds, and None where the default is to be found."""

    target_text: str
    target: Target
    items: int | str
    items_source: str
    concurrency: tuple[int, ...] | None
    rounds: int
    budget: float
    timeout: float | None
    executors: tuple[tuple[str, str], ...]
    stock: bool
