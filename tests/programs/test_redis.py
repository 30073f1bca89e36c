"""redis-py's asyncio client against a Redis server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError, WatchError

from .loop_under_test import program, until
from .peer_servers import Address


@asynccontextmanager
async def client_of(address: Address) -> AsyncIterator[Redis]:
    """Connect to the server, emptied first."""
    async with Redis(host=address.host, port=address.port, decode_responses=True) as client:
        await client.flushall()
        yield client


async def pop(client: Redis, timeout: float | None = None) -> list[str] | None:
    """Wait in the server for an item of the list ``queue``, for ``timeout`` seconds at most."""
    popped = await client.blpop(["queue"], timeout)
    return None if popped is None else [str(word) for word in popped]


async def blocked_clients(client: Redis) -> int:
    return int((await client.info("clients"))["blocked_clients"])


@program
async def test_commands_and_errors(redis_server: Address) -> None:
    async with client_of(redis_server) as client:
        assert await client.set("name", "날실")
        assert await client.get("name") == "날실"
        assert await client.get("nothing") is None
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await client.lpush("name", 1)
        assert await client.delete("name", "nothing") == 1


@program
async def test_a_long_pipeline_answers_in_order(redis_server: Address) -> None:
    async with client_of(redis_server) as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(5000):
            pipeline.set(f"key {number}", number)
            pipeline.get(f"key {number}")
        answers = await pipeline.execute()
        assert answers[0::2] == [True] * 5000
        assert answers[1::2] == [str(number) for number in range(5000)]
        assert await client.dbsize() == 5000


@program
async def test_of_transactions_that_collide_one_wins(redis_server: Address) -> None:
    async with client_of(redis_server) as client:
        await client.set("count", 0)
        everyone_has_read = asyncio.Barrier(10)

        async def add_one() -> bool:
            async with client.pipeline() as pipeline:
                await pipeline.watch("count")
                count = int(await pipeline.get("count"))
                await everyone_has_read.wait()
                pipeline.multi()
                pipeline.set("count", count + 1)
                try:
                    return await pipeline.execute() == [True]
                except WatchError:
                    return False

        for rounds in range(1, 4):
            won = await asyncio.gather(*(add_one() for _ in range(10)))
            assert won.count(True) == 1
            assert await client.get("count") == str(rounds)


@program
async def test_published_messages_arrive_in_order(redis_server: Address) -> None:
    async with client_of(redis_server) as client, client.pubsub() as pubsub:
        await pubsub.subscribe("plain")
        await pubsub.psubscribe("pat*")
        for _ in range(2):
            message = await pubsub.get_message(timeout=None)
            assert message["type"] in ("subscribe", "psubscribe")

        async def publish() -> None:
            for number in range(500):
                assert await client.publish("plain", number) == 1
                assert await client.publish("pattern", -number) == 1

        publishing = asyncio.create_task(publish())
        got = [await pubsub.get_message(timeout=None) for _ in range(1000)]
        await publishing
        plain = [message["data"] for message in got if message["type"] == "message"]
        pattern = [message["data"] for message in got if message["type"] == "pmessage"]
        assert plain == [str(number) for number in range(500)]
        assert pattern == [str(-number) for number in range(500)]


@program
async def test_blocking_pop_wakes_when_something_is_pushed(redis_server: Address) -> None:
    async with client_of(redis_server) as client:
        popping = asyncio.create_task(pop(client))
        await until_blocked(client, 1)
        assert not popping.done()
        await client.rpush("queue", "first")
        assert await popping == ["queue", "first"]
        assert await pop(client, timeout=0.01) is None


async def until_blocked(client: Redis, count: int) -> None:
    async def reached() -> bool:
        return await blocked_clients(client) == count

    await until(reached)


@program
async def test_a_cancelled_blocking_pop_takes_nothing(redis_server: Address) -> None:
    async with client_of(redis_server) as client:
        for number in range(10):
            popping = asyncio.create_task(pop(client))
            await until_blocked(client, 1)
            popping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await popping
            await until_blocked(client, 0)
            await client.rpush("queue", number)
            assert await client.llen("queue") == 1
            assert await pop(client) == ["queue", str(number)]


@program
async def test_answers_never_reach_another_task(redis_server: Address) -> None:
    """Tasks are cancelled in the middle of commands, on connections that others use next."""
    async with client_of(redis_server) as client:
        await client.mset({f"key {number}": number for number in range(50)})

        async def read(number: int) -> None:
            for _ in range(20):
                assert await client.get(f"key {number}") == str(number)

        tasks = [asyncio.create_task(read(number)) for number in range(50)]
        for number in range(0, 50, 2):
            await client.ping()
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [None] * 25
        assert {type(result) for result in results[0::2]} <= {
            asyncio.CancelledError,
            type(None),
        }


@program
async def test_a_hundred_tasks_share_ten_connections(redis_server: Address) -> None:
    pool = BlockingConnectionPool(
        host=redis_server.host, port=redis_server.port, max_connections=10, timeout=None
    )
    async with client_of(redis_server) as client, Redis.from_pool(pool) as shared:
        others = len(await client.client_list())

        async def count() -> None:
            for _ in range(20):
                await shared.incr("count")

        await asyncio.gather(*(count() for _ in range(100)))
        assert await client.get("count") == "2000"
        assert len(await client.client_list()) - others <= 10


@program
async def test_large_values_survive(redis_server: Address) -> None:
    value = bytes(range(256)) * 65536
    async with (
        client_of(redis_server),
        Redis(host=redis_server.host, port=redis_server.port) as raw,
    ):
        await raw.set("large", value)
        assert await raw.strlen("large") == len(value)
        assert await raw.get("large") == value


@program
async def test_a_killed_connection_is_replaced(redis_server: Address) -> None:
    async with (
        client_of(redis_server) as admin,
        Redis(host=redis_server.host, port=redis_server.port) as client,
    ):
        first = await client.client_id()
        assert await admin.client_kill_filter(_id=str(first)) == 1
        assert await client.ping()
        assert await client.client_id() != first


@program
async def test_over_a_unix_socket(redis_server: Address) -> None:
    async with client_of(redis_server), Redis(unix_socket_path=str(redis_server.unix)) as client:
        await client.set("through", "a file")
        assert await client.get("through") == b"a file"
