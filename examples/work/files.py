"""Files written to the disk and read back: the wait is for the disk.

nalsil compare examples/work/files.py:store,astore --items 300

The files lie where `TMPDIR` says, or else in /tmp. asyncio has no operation for files, so `astore`
hands the blocking function to a thread. One would guess that coroutines gain nothing here that
threads do not give more simply.
"""

import hashlib
import os
import tempfile

import nalsil

BLOCK = bytes(range(256)) * 256
"""64 KiB, which each file holds after its number."""


def store(item: int) -> str:
    """Write a file, wait until the disk has it, read it back; gives its digest."""
    with tempfile.TemporaryFile() as file:
        file.write(item.to_bytes(8, "big") + BLOCK)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        return hashlib.sha256(file.read()).hexdigest()


async def astore(item: int) -> str:
    """The same in a thread of the pool, awaited."""
    return await nalsil.to_thread(store, item)
