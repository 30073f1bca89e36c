"""Updates that get lost when several add to one number: read it, call something, write it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from contextlib import AbstractContextManager

import nalsil

ADDERS = 4
TIMES = 100_000


class Account:
    """A number that is read and written in two steps, as most state is."""

    def __init__(self) -> None:
        self.balance = 0

    def lost(self) -> int:
        """How many of the additions are not in the number."""
        return ADDERS * TIMES - self.balance


def plus_one(number: int) -> int:
    """What happens between the reading and the writing."""
    return number + 1


def threads(guard: AbstractContextManager[object]) -> int:
    """Threads that add, each addition inside of `guard`."""
    account = Account()

    def add() -> None:
        for _ in range(TIMES):
            with guard:
                account.balance = plus_one(account.balance)

    adders = [threading.Thread(target=add) for _ in range(ADDERS)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    return account.lost()


def tasks(*, awaits: bool) -> int:
    """Tasks that add; with `awaits` they give way between the reading and the writing."""
    account = Account()

    async def add() -> None:
        for _ in range(TIMES):
            read = account.balance
            if awaits:
                await asyncio.sleep(0)
            account.balance = plus_one(read)

    async def main() -> None:
        await asyncio.gather(*(add() for _ in range(ADDERS)))

    nalsil.run(main())
    return account.lost()


if __name__ == "__main__":
    numbers = {
        "additions": ADDERS * TIMES,
        "adders": ADDERS,
        "lost_threads": threads(contextlib.nullcontext()),
        "lost_locked": threads(threading.Lock()),
        "lost_tasks": tasks(awaits=False),
        "lost_across_await": tasks(awaits=True),
    }
    print(json.dumps(numbers))
