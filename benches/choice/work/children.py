"""Other programs, run to their end."""

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

INPUT = Path(tempfile.gettempdir()) / f"nalsil-bench-gzip-{os.getuid()}"
SIZE = 400_000
if not INPUT.exists() or INPUT.stat().st_size != SIZE:
    new = INPUT.with_suffix(f".{os.getpid()}")
    new.write_bytes(b"the warp and the weft " * (SIZE // 22) + b"." * (SIZE % 22))
    new.replace(INPUT)
COMMAND = ("gzip", "-9", "-c", str(INPUT))


def compress(item):
    return len(subprocess.run(COMMAND, capture_output=True, check=True).stdout)


async def acompress(item):
    child = await asyncio.create_subprocess_exec(*COMMAND, stdout=asyncio.subprocess.PIPE)
    return len((await child.communicate())[0])


def sleep(item):
    return subprocess.run(("sleep", "0.05"), check=True).returncode


async def asleep(item):
    child = await asyncio.create_subprocess_exec("sleep", "0.05")
    return await child.wait()
