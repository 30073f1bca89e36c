"""What the tests of child processes share."""

import os
from collections.abc import Callable, Iterator

import pytest


def has_children() -> bool:
    """Whether this process has a child, alive or a zombie, that nobody has waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    """Fail a test that leaves a child process behind, running or a zombie."""
    assert not has_children(), "an earlier test has left a child"
    yield
    assert not has_children(), "the test has left a child"


@pytest.fixture
def childless(until) -> Callable[[], object]:
    """`await childless()` waits until no child is left."""
    return lambda: until(lambda: not has_children())
