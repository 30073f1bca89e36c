"""The suites: whose tests they are and where they are found."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import platform
from collections.abc import Iterable
from pathlib import Path

from . import borrowed, third_party

SUITES = ("asyncio", "concurrent_futures", "anyio", "asgiref")
OWN = {
    "asyncio": "test.test_asyncio",
    "concurrent_futures": "test.test_concurrent_futures",
}


class Unavailable(Exception):
    """The tests of a suite are not on this machine; the text says why."""


@dataclasses.dataclass(frozen=True)
class Home:
    """Where the tests of a suite are."""

    title: str
    files: Path
    """The folder of the modules, or the one module."""
    folder: Path | None = None
    """Where the tests are borrowed or downloaded; None if they are this Python's own."""

    def has(self, module: str) -> bool:
        if self.files.is_dir():
            return (self.files / f"{module}.py").is_file()
        return module == self.files.stem

    def existing(self, modules: Iterable[str]) -> list[str]:
        """Those of the modules that there are."""
        return [module for module in modules if self.has(module)]


def home(suite: str) -> Home:
    """Where the tests of a suite are; those of libraries are downloaded if need be.

    Raises:
        Unavailable: they are not to be had.
    """
    found = search(suite)
    if isinstance(found, Unavailable):
        raise found
    return found


@functools.cache
def search(suite: str) -> Home | Unavailable:
    """What `home` gives or raises, looked for once."""
    if suite not in OWN:
        return downloaded(suite)
    found = own(OWN[suite])
    if found is not None:
        return Home(f"`{OWN[suite]}` of Python {platform.python_version()}", found)
    other = borrowed.find() if suite == "concurrent_futures" else None
    if other is None:
        return Unavailable(f"this Python came without `{OWN[suite]}`")
    release, folder = other
    return Home(f"`{OWN[suite]}` of Python {release}", folder / borrowed.NAME, folder)


def own(package: str) -> Path | None:
    """The folder or the file of a package of this Python's tests; None if it has none."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)


def downloaded(suite: str) -> Home | Unavailable:
    try:
        version, folder = third_party.source(suite)
    except third_party.CannotDownload as error:
        return Unavailable(f"the source of `{suite}` cannot be downloaded: {error}")
    return Home(f"{suite} {version}", folder / "tests", folder)
