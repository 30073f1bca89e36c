"""Waiting for a condition; the hang guard bounds it."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition holds."""
    while not condition():
        time.sleep(0.005)
