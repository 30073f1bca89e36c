"""External programs: each unit starts gzip, feeds it half a megabyte and takes what it prints.

nalsil compare examples/work/children.py:compress,acompress --items 100

The work is done in another process, and here it is waited for. One would guess that threads and
coroutines are equal, since both wait, and that neither gains beyond the number of processors.
"""

import asyncio
import subprocess
import zlib

GZIP = ("gzip", "-c", "-n")
LINES = b"".join(b"%d times %d is %d\n" % (n, n, n * n) for n in range(20_000))


def compress(item: int) -> int:
    """Run gzip and wait for it in this thread; gives a checksum of what it made."""
    text = b"%d\n" % item + LINES
    return zlib.crc32(subprocess.run(GZIP, input=text, stdout=subprocess.PIPE, check=True).stdout)


async def acompress(item: int) -> int:
    """Run gzip and await it; gives a checksum of what it made."""
    text = b"%d\n" % item + LINES
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*GZIP, stdin=pipe, stdout=pipe)
    compressed, _ = await child.communicate(text)
    assert child.returncode == 0
    return zlib.crc32(compressed)
