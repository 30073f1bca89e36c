"""The same request, blocking by `http.client` and async by aiohttp."""

import asyncio
import http.client
import os
import threading

import aiohttp

URL = f"http://127.0.0.1:{os.environ['NALSIL_BENCH_SERVER']}/after/20/1000"
local = threading.local()
sessions = {}


def get(item):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection(*URL.split("/")[2].split(":"))
    local.connection.request("GET", "/after/20/1000")
    return len(local.connection.getresponse().read())


async def aget(item):
    loop = asyncio.get_running_loop()
    if loop not in sessions:
        sessions.clear()
        connector = aiohttp.TCPConnector(limit=0)
        sessions[loop] = aiohttp.ClientSession(connector=connector)
    async with sessions[loop].get(URL) as response:
        return len(await response.read())
