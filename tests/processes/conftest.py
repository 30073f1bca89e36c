"""What the tests of child processes share."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EARLIER: set[int] = set()
"""Children that are not the test's own: other tests use pools of processes, which leave some."""


def children() -> set[int]:
    """The children of this process, running or zombies, that nobody has waited for."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        # A thread may end meanwhile; its children are another thread's then.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def has_children() -> bool:
    """Whether the test has a child, alive or a zombie, that nobody has waited for."""
    return bool(children() - EARLIER)


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    """Fail a test that leaves a child process behind, running or a zombie."""
    EARLIER.clear()
    EARLIER.update(children())
    yield
    assert not has_children(), "the test has left a child"


@pytest.fixture
def childless(until) -> Callable[[], object]:
    """`await childless()` waits until no child is left."""
    return lambda: until(lambda: not has_children())
