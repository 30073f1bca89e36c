"""The command line says which version this is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nalsil

SCRIPT = Path(sys.executable).with_name("nalsil")


@pytest.mark.parametrize("command", [[sys.executable, "-m", "nalsil"], [str(SCRIPT)]])
def test_version(command: list[str]) -> None:
    answer = subprocess.run([*command, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout.startswith(f"nalsil {nalsil.__version__} (Python ")
