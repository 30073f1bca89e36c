"""C code that lets go of the interpreter: hashing and compression."""

import bz2
import hashlib
import lzma
import zlib

MEGABYTE = bytes(range(256)) * 4096
TEXT = b"the warp and the weft and the loom " * 2000


def sha256(item):
    return hashlib.sha256(MEGABYTE).hexdigest()


def small_sha256(item):
    return hashlib.sha256(MEGABYTE[:4096]).hexdigest()


def compress(item):
    return len(zlib.compress(MEGABYTE[: 256 * 1024] + bytes([item % 256]), 9))


def bzip(item):
    return len(bz2.compress(TEXT))


def xz(item):
    return len(lzma.compress(TEXT[:20_000]))


def scrypt(item):
    return hashlib.scrypt(b"warp", salt=b"weft", n=4096, r=8, p=1).hex()
