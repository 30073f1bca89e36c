"""What is wrong with a command line, or with the work that it names."""

from __future__ import annotations


class UsageError(Exception):
    """The command cannot run as it was given; the text says why and what to do."""
