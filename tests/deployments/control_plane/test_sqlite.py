"""Transactions of Prefect's server on SQLite: as they come, and as the server here begins them."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import provide_database_interface, temporary_database_config
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings
from sqlalchemy import text

from deployments.control_plane.sqlite import QueueingSqlite, queue_writes


async def two_that_read_and_then_write(database: AioSqliteConfiguration, *, patience_seconds: float) -> int:
    """Run two transactions that overlap, where both may begin; return how many rows they leave."""
    engine = await database.engine()
    both_in = asyncio.Barrier(2)

    async def one() -> None:
        async with await database.session(engine) as session, database.begin_transaction(session):
            await session.execute(text("select count(*) from answers"))
            # The second reads before the first writes, if it may begin at all.
            with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
                await asyncio.wait_for(both_in.wait(), timeout=patience_seconds)
            await session.execute(text("insert into answers values (1)"))

    async with await database.session(engine) as session, database.begin_transaction(session):
        await session.execute(text("create table answers (n int)"))
    await asyncio.gather(one(), one())
    async with await database.session(engine) as session:
        left = await session.scalar(text("select count(*) from answers"))
    await engine.dispose()
    return int(left)


def test_transactions_that_read_and_then_write_wait_for_each_other(tmp_path: Path) -> None:
    as_it_comes = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'as-it-comes.db'}")
    with pytest.raises(Exception, match="database is locked"):
        asyncio.run(two_that_read_and_then_write(as_it_comes, patience_seconds=60))
    queueing = QueueingSqlite(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'queueing.db'}")
    assert asyncio.run(two_that_read_and_then_write(queueing, patience_seconds=0.5)) == 2


@pytest.mark.parametrize(
    ("url", "queues"),
    [
        ("sqlite+aiosqlite:////srv/prefect.db", True),
        ("postgresql+asyncpg://prefect@db/prefect", False),
    ],
)
def test_the_server_uses_it_where_its_database_is_sqlite(url: str, queues: bool) -> None:
    with temporary_database_config(None), temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
        queue_writes()
        assert isinstance(provide_database_interface().database_config, QueueingSqlite) is queues
