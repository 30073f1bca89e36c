"""The command line."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

from nalsil import __version__
from nalsil._compare import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="nalsil",
        description="Coroutines and threads for Python on one Rust runtime.",
        allow_abbrev=False,
    )
    version = f"nalsil {__version__} (Python {platform.python_version()}, {sys.platform})"
    parser.add_argument("--version", action="version", version=version)
    command.add_to(parser.add_subparsers(title="commands", metavar="COMMAND"))
    found = parser.parse_args(arguments)
    if not hasattr(found, "run"):
        parser.print_help()
        return 0
    status: int = found.run(found)
    return status


if __name__ == "__main__":
    sys.exit(main())
