"""HTTP requests, blocking by `http.client`, and async by asyncio's streams or aiohttp."""

import asyncio
import http.client
import json
import os
import threading

PORT = int(os.environ["NALSIL_BENCH_SERVER"])
local = threading.local()
idle = {}


def blocking(path):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection("127.0.0.1", PORT)
    local.connection.request("GET", path)
    return local.connection.getresponse().read()


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def streams(path):
    loop = asyncio.get_running_loop()
    if loop not in idle:
        # The connections of a loop are of no use to another.
        idle.clear()
        idle[loop] = []
    reader, writer = idle[loop].pop() if idle[loop] else await connect()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    body = await read_answer(reader)
    idle[loop].append((reader, writer))
    return body


async def connect():
    return await asyncio.open_connection("127.0.0.1", PORT)


def get_5ms(item):
    return len(blocking("/after/5/200"))


async def aget_5ms(item):
    return len(await streams("/after/5/200"))


def get_50ms(item):
    return len(blocking("/after/50/200"))


async def aget_50ms(item):
    return len(await streams("/after/50/200"))


def get_200ms(item):
    return len(blocking("/after/200/2000"))


async def aget_200ms(item):
    return len(await streams("/after/200/2000"))


def get_limited(item):
    return len(blocking("/limited/20/200"))


async def aget_limited(item):
    return len(await streams("/limited/20/200"))


def get_large(item):
    return len(blocking("/after/10/500000"))


async def aget_large(item):
    return len(await streams("/after/10/500000"))


def get_then_json(item):
    return digest(blocking("/after/10/60000"))


async def aget_then_json(item):
    return digest(await streams("/after/10/60000"))


def digest(body):
    """About two milliseconds of Python code."""
    entries = json.loads(body)
    return len(json.dumps([{**entry, "item": 1} for entry in entries]))


def get_anew(item):
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", "/after/20/200")
    body = connection.getresponse().read()
    connection.close()
    return len(body)


async def aget_anew(item):
    reader, writer = await connect()
    writer.write(b"GET /after/20/200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    body = await read_answer(reader)
    writer.close()
    await writer.wait_closed()
    return len(body)
