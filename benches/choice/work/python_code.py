"""Python code: units from under a microsecond to tens of milliseconds, and what they return."""

import json
import re

PATTERN = re.compile(r"(a+)+b")
DOCUMENT = json.dumps([{"number": number, "name": f"item {number}"} for number in range(4000)])


def tiny(item):
    return item + 1


def small(item):
    return sum(number * number for number in range(500))


def large(item):
    return sum(number * number for number in range(250_000))


def middling(item):
    return sum(number * number for number in range(10_000))


def backtracks(item):
    return PATTERN.match("a" * 17) is None


def parse(item):
    return len(json.loads(DOCUMENT))


def returns_much(item):
    """The result is about as costly to send to another process as to make."""
    return [str(number) for number in range(item, item + 60_000)]


def of_uneven_length(item):
    """Every tenth unit takes ten times as long."""
    return sum(range(20_000 * (10 if item % 10 == 0 else 1)))
