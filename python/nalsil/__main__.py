"""The command line."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

from nalsil import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="nalsil",
        description="Coroutines and threads for Python on one Rust runtime.",
    )
    version = f"nalsil {__version__} (Python {platform.python_version()}, {sys.platform})"
    parser.add_argument("--version", action="version", version=version)
    parser.parse_args(arguments)
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
