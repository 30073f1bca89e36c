"""Lets this Python run the pool's tests of another one.

Some releases of CPython (3.11.7 and 3.12.1 among them) leave `test.test_concurrent_futures` out
when they install their tests. The tests of a neighbouring version are as good: the stock pool of
this Python has to pass them too, given the few names that they expect of a newer one.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "target" / "conformance"
NAME = "test_concurrent_futures"
LOCATE = "import os, test; print(os.path.dirname(test.__file__))"


def find() -> tuple[str, Path] | None:
    """The version and the folder of the suite of another Python of this machine.

    The nearest newer version is taken. The folder is a copy, which holds nothing but the suite.
    """
    sys.path.append(str(ROOT))
    from tools import pythons

    own = platform.python_version_tuple()[:2]
    for python in pythons.find(pythons.supported_minors()):
        if not python.suite or python.minor == ".".join(own):
            continue
        answer = subprocess.run(
            [python.executable, "-I", "-c", LOCATE], capture_output=True, text=True, check=True
        )
        suite = Path(answer.stdout.strip()) / NAME
        if suite.is_dir():
            return python.release, copied(suite, python.release)
    return None


def copied(suite: Path, release: str) -> Path:
    folder = KEPT / f"{NAME}-{release}"
    if not folder.is_dir():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
            new = Path(scratch) / "new"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(suite, new / NAME, ignore=ignored)
            try:
                new.rename(folder)
            except OSError:
                # Another run was faster.
                if not folder.is_dir():
                    raise
    return folder


def add(folder: Path) -> None:
    """Make a borrowed suite a part of this Python's `test`, with the names that it needs."""
    import os

    import test
    from test import support

    test.__path__.append(str(folder))

    def kept_as_it_is(*_: Any, **__: Any) -> Any:
        return lambda test: test

    # They know of builds without the GIL and of sanitizers, and this build is neither.
    support.Py_GIL_DISABLED = False
    support.requires_gil_enabled = kept_as_it_is
    support.skip_if_sanitizer = kept_as_it_is
    if not hasattr(os, "process_cpu_count"):
        os.process_cpu_count = os.cpu_count
