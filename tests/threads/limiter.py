"""A semaphore that counts."""

import asyncio


class Limiter(asyncio.Semaphore):
    """Counts how often it was taken and given back."""

    taken = given = 0

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self.taken += 1

    async def __aexit__(self, *error: object) -> None:
        self.given += 1
        await super().__aexit__(*error)
