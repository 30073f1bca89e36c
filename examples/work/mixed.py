"""A request that takes 20 ms, then 2 ms of JSON in Python: waiting and computing in one unit.

nalsil compare examples/work/mixed.py:load,aload --items 100

The waits overlap in every form; the JSON does not, but in processes. One would guess that threads
and coroutines meet the same limit, the one that JSON under one GIL sets. The asynchronous form
needs aiohttp: `pip install aiohttp`.
"""

import json

import http_requests


def setup() -> None:
    """Start a server whose answers come after 20 ms and are price lists."""
    http_requests.start(milliseconds=20, rows=1500)


async def teardown() -> None:
    """Close the connections, end the server and wait for its end."""
    await http_requests.teardown()


def load(item: int) -> str:
    """Ask and wait, then sort what came."""
    return cheapest(http_requests.get(item))


async def aload(item: int) -> str:
    """Ask and let others go on meanwhile, then sort what came."""
    return cheapest(await http_requests.aget(item))


def cheapest(body: bytes) -> str:
    """Read a price list, sort it, and write it anew: about 2 ms with the GIL held."""
    answer = json.loads(body)
    rows = sorted(answer["rows"], key=lambda row: row["price"])
    return f"item {answer['item']}: {rows[0]['name']}, {len(json.dumps(rows))} bytes in all"
