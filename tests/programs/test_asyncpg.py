"""asyncpg against a PostgreSQL server."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import io
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from .loop_under_test import program, until
from .peer_servers import Address

if TYPE_CHECKING:
    from .conftest import Certificates


def target(address: Address) -> dict[str, Any]:
    """What `asyncpg.connect` and `asyncpg.create_pool` need; without TLS."""
    return {
        "host": address.host,
        "port": address.port,
        "user": "nalsil",
        "database": "postgres",
        "ssl": False,
    }


@asynccontextmanager
async def connected(address: Address, **options: Any) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**target(address) | options)
    try:
        yield connection
    finally:
        await connection.close()


async def until_state(observer: asyncpg.Connection, pid: int, state: str) -> None:
    """Wait until the server process ``pid`` is in ``state``."""

    async def reached() -> bool:
        query = "select state from pg_stat_activity where pid = $1"
        return bool(await observer.fetchval(query, pid) == state)

    await until(reached)


@program
async def test_values_of_many_types_come_back(postgres_server: Address) -> None:
    values: dict[str, Any] = {
        "int8": 1 << 40,
        "float8": 0.1,
        "text": "날실",
        "bytea": bytes(range(256)),
        "bool": True,
        "numeric": decimal.Decimal("3.14159265358979323846"),
        "uuid": uuid.UUID(int=7),
        "timestamptz": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "int4[]": [1, 2, 3],
    }
    query = "select " + ", ".join(f"${n}::{name}" for n, name in enumerate(values, 1))
    async with connected(postgres_server) as connection:
        assert list(await connection.fetchrow(query, *values.values())) == list(values.values())
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("select 1 / 0")
        assert await connection.fetchval("select 1") == 1


@program
async def test_large_results_and_arguments(postgres_server: Address) -> None:
    async with connected(postgres_server) as connection:
        rows = await connection.fetch("select n, repeat('x', 100) from generate_series(1, 20000) n")
        assert [row[0] for row in rows] == list(range(1, 20001))
        large = bytes(range(256)) * 32768
        assert await connection.fetchval("select $1::bytea", large) == large


async def insert_and_fail(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute("insert into kept values (2)")
        await connection.execute("select 1 / 0")


@program
async def test_transactions_roll_back_alone(postgres_server: Address) -> None:
    async with connected(postgres_server) as connection:
        await connection.execute("create temp table kept (n int)")
        async with connection.transaction():
            await connection.execute("insert into kept values (1)")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await insert_and_fail(connection)
            await connection.executemany("insert into kept values ($1)", [(3,), (4,)])
        rows = await connection.fetch("select n from kept order by n")
        assert [row["n"] for row in rows] == [1, 3, 4]


@program
async def test_a_cursor_reads_on_while_its_transaction_lasts(postgres_server: Address) -> None:
    async with connected(postgres_server) as connection, connection.transaction():
        query = "select n from generate_series(1, 2000) n"
        numbers = [row["n"] async for row in connection.cursor(query, prefetch=50)]
    assert numbers == list(range(1, 2001))


@program
async def test_copy_in_and_out(postgres_server: Address) -> None:
    records = [(number, f"name {number}") for number in range(50_000)]
    async with connected(postgres_server) as connection:
        await connection.execute("create temp table copied (n int, name text)")
        done = await connection.copy_records_to_table("copied", records=records)
        assert done == "COPY 50000"

        out = io.BytesIO()
        done = await connection.copy_from_query("table copied order by n", output=out, format="csv")
        assert done == "COPY 50000"
        lines = out.getvalue().decode().splitlines()
        assert lines == [f"{number},{name}" for number, name in records]

        await connection.execute("truncate copied")
        out.seek(0)
        done = await connection.copy_to_table("copied", source=out, format="csv")
        assert done == "COPY 50000"
        assert await connection.fetchval("select sum(n) from copied") == sum(range(50_000))


@program
async def test_a_failing_source_ends_copy_and_not_the_connection(postgres_server: Address) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"1\n2\n"
        raise LookupError("no more")

    async with connected(postgres_server) as connection:
        await connection.execute("create temp table copied (n int)")
        with pytest.raises(LookupError, match="no more"):
            await connection.copy_to_table("copied", source=source(), format="csv")
        assert await connection.fetchval("select count(*) from copied") == 0


@program
async def test_notifications_arrive_in_order(postgres_server: Address) -> None:
    async with connected(postgres_server) as listener, connected(postgres_server) as sender:
        heard: asyncio.Queue[str] = asyncio.Queue()

        def hear(_connection: object, _pid: int, _channel: str, payload: str) -> None:
            heard.put_nowait(payload)

        await listener.add_listener("news", hear)
        for number in range(200):
            await sender.execute("select pg_notify('news', $1)", str(number))
        assert [await heard.get() for _ in range(200)] == [str(number) for number in range(200)]
        await listener.remove_listener("news", hear)


@program
async def test_a_cancelled_query_stops_in_the_server(postgres_server: Address) -> None:
    async with connected(postgres_server) as observer, connected(postgres_server) as connection:
        pid = connection.get_server_pid()
        for number in range(5):
            sleeping = asyncio.create_task(connection.execute("select pg_sleep(600)"))
            await until_state(observer, pid, "active")
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping
            assert await connection.fetchval("select $1::int", number) == number
            await until_state(observer, pid, "idle")


@program
async def test_a_query_that_takes_too_long_times_out(postgres_server: Address) -> None:
    async with connected(postgres_server) as connection:
        with pytest.raises(TimeoutError):
            await connection.execute("select pg_sleep(600)", timeout=0.05)
        assert await connection.fetchval("select 1") == 1


@program
async def test_many_tasks_share_a_pool(postgres_server: Address) -> None:
    async with asyncpg.create_pool(**target(postgres_server), min_size=2, max_size=8) as pool:

        async def ask(number: int) -> tuple[int, int]:
            row = await pool.fetchrow("select pg_backend_pid(), $1::int", number)
            return row[0], row[1]

        answers = await asyncio.gather(*(ask(number) for number in range(400)))
        assert [number for _, number in answers] == list(range(400))
        assert 1 <= len({pid for pid, _ in answers}) <= 8


@program
async def test_pool_connections_survive_cancelled_users(postgres_server: Address) -> None:
    async with asyncpg.create_pool(**target(postgres_server), min_size=1, max_size=2) as pool:

        async def use(number: int) -> int:
            async with pool.acquire() as connection, connection.transaction():
                return int(await connection.fetchval("select $1::int from pg_sleep(0)", number))

        tasks = [asyncio.create_task(use(number)) for number in range(60)]
        for number in range(0, 60, 3):
            await pool.fetchval("select 1")
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, result in enumerate(results):
            cancelled = number % 3 == 0 and isinstance(result, asyncio.CancelledError)
            assert cancelled or result == number
        assert pool.get_size() <= 2


@program
async def test_a_terminated_backend_is_noticed_and_replaced(postgres_server: Address) -> None:
    async with (
        connected(postgres_server) as admin,
        asyncpg.create_pool(**target(postgres_server), min_size=1, max_size=1) as pool,
    ):
        gone = asyncio.Event()
        async with pool.acquire() as connection:
            first = connection.get_server_pid()
            connection.add_termination_listener(lambda _connection: gone.set())
            assert await admin.fetchval("select pg_terminate_backend($1)", first)
            await gone.wait()
        assert await pool.fetchval("select pg_backend_pid()") != first


@program
async def test_a_terminated_pool_drops_what_runs(postgres_server: Address) -> None:
    async with connected(postgres_server) as observer:
        pool = await asyncpg.create_pool(**target(postgres_server), min_size=1, max_size=1)
        async with pool.acquire() as connection:
            pid = connection.get_server_pid()
        sleeping = asyncio.create_task(pool.execute("select pg_sleep(600)"))
        await until_state(observer, pid, "active")
        pool.terminate()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await sleeping
        # The server looks at its socket only after the sleep: end it from here.
        assert await observer.fetchval("select pg_terminate_backend($1)", pid)


@program
async def test_over_a_unix_socket(postgres_server: Address) -> None:
    async with connected(postgres_server, host=str(postgres_server.unix)) as connection:
        assert await connection.fetchval("select inet_client_addr()") is None


@pytest.mark.tls
@program
async def test_over_tls(postgres_server: Address, certificates: Certificates) -> None:
    secure = {"host": "localhost", "ssl": certificates.client}
    large = bytes(range(256)) * 32768
    async with connected(postgres_server, **secure) as connection:
        query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
        assert await connection.fetchval(query) is True
        assert await connection.fetchval("select $1::bytea", large) == large
