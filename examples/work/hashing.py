"""Compressing and hashing: C code that computes with the GIL released.

nalsil compare examples/work/hashing.py:pack --items 200

`zlib` and `hashlib` let other threads run while they work. One would guess that threads win by as
much as there are processors, and that processes win the same and cost more.
"""

import hashlib
import zlib

LINES = b"".join(b"%d times %d is %d\n" % (n, n, n * n) for n in range(7_000))


def pack(item: int) -> str:
    """Compress 190 kB of text and hash the result."""
    text = b"%d\n" % item + LINES
    return hashlib.sha256(zlib.compress(text)).hexdigest()
