"""The places in a Markdown file whose content is measured, and not typed.

A number stands between two comments, which hide where Markdown is rendered:

    a task takes <!-- n task_create -->1.2 µs<!-- / --> to make

and so does what a command printed:

    <!-- output nalsil compare examples/work/primes.py:count --items 200 -->
    ```console
    $ nalsil compare examples/work/primes.py:count --items 200
    …
    ```
    <!-- / -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NUMBER = re.compile(r"(<!-- n ([\w.]+) -->)(.*?)(<!-- / -->)")
OUTPUT = re.compile(r"(<!-- output (.+?) -->\n)(.*?)(<!-- / -->)", re.DOTALL)


def numbers_in(text: str) -> list[tuple[str, str]]:
    """The names and the contents of the marked numbers, in their order."""
    return [(name, content) for _, name, content, _ in NUMBER.findall(text)]


def outputs_in(text: str) -> list[tuple[str, str]]:
    """The commands and the blocks of the marked outputs, in their order."""
    return [(command, block) for _, command, block, _ in OUTPUT.findall(text)]


def written(text: str, numbers: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """`text` with the marked places that `numbers` and `outputs` know filled anew."""

    def number(place: re.Match[str]) -> str:
        return place[1] + numbers.get(place[2], place[3]) + place[4]

    def output(place: re.Match[str]) -> str:
        printed = outputs.get(place[2])
        return place[0] if printed is None else place[1] + _block(place[2], printed) + place[4]

    return OUTPUT.sub(output, NUMBER.sub(number, text))


def _block(command: str, printed: str) -> str:
    return f"```console\n$ {command}\n{printed.rstrip()}\n```\n"
