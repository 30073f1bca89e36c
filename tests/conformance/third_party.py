"""Gets the tests of the libraries that are run: they come with the source archives."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from .borrowed import KEPT

PINS = Path(__file__).with_name("third_party.txt")
SECONDS = 300.0


class CannotDownload(Exception):
    """A source archive could not be had; the text says why."""


def source(name: str) -> tuple[str, Path]:
    """The version of a library and the folder of its source, downloaded if need be.

    Raises:
        CannotDownload: the archive is not kept here and cannot be downloaded.
    """
    line, version, digest = pin(name)
    folder = KEPT / f"{name}-{version}-{digest[:12]}"
    if not folder.is_dir():
        download(line, folder)
    return version, folder


def pin(name: str) -> tuple[str, str, str]:
    """The line of a library in the table, its version and its hash."""
    for line in PINS.read_text().splitlines():
        found = re.fullmatch(rf"{name}==(\S+) --hash=sha256:(\w+)", line)
        if found:
            return line, found[1], found[2]
    raise LookupError(f"`{PINS.name}` has no line for `{name}`")


def download(line: str, folder: Path) -> None:
    """Download the archive of a line and unpack it as `folder`."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as name:
        scratch = Path(name)
        (scratch / "pins").write_text(line + "\n")
        pip(scratch)
        [archive] = scratch.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        [unpacked] = (path for path in scratch.iterdir() if path.is_dir())
        try:
            unpacked.rename(folder)
        except OSError:
            # Another run was faster.
            if not folder.is_dir():
                raise


def pip(scratch: Path) -> None:
    """Download what the file `pins` in `scratch` names to `scratch`; the hash has to be right."""
    command = (
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"),
        *("--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"),
        *("--dest", scratch, "--requirement", scratch / "pins"),
    )
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise CannotDownload(f"pip ended with {error.returncode}: {error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotDownload(f"pip is not done after {SECONDS:.0f} s") from error
