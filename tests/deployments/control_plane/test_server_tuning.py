"""What is changed in Prefect's server before it starts."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from docket import Worker
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text

from deployments.control_plane.server_tuning import announce_writes, sparing_docket


async def two_that_read_and_then_write(path: Path, *, patience_seconds: float) -> int:
    """Run two transactions that overlap, where both may begin; return how many rows they leave."""
    database = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{path}")
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


def test_transactions_that_read_and_then_write_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    with pytest.raises(Exception, match="database is locked"):
        asyncio.run(two_that_read_and_then_write(tmp_path / "as-it-comes.db", patience_seconds=60))
    announce_writes()
    assert asyncio.run(two_that_read_and_then_write(tmp_path / "announced.db", patience_seconds=0.5)) == 2


async def done_of_three(key: str) -> int:
    """Ask a docket three times for the same, each after the one before was done; return how often it was done."""
    done = []

    async def mark(number: int) -> None:
        done.append(number)

    async with sparing_docket(name="sparing", url="memory://sparing") as docket:
        docket.register(mark)
        for number in range(3):
            await docket.add(mark, key=key)(number)
            async with Worker(docket) as worker:
                await worker.run_until_finished()
    return len(done)


def test_the_docket_is_told_once_in_a_while_that_a_worker_asked() -> None:
    assert asyncio.run(done_of_three("mark_deployments_ready:work_pool:1")) == 1
    assert asyncio.run(done_of_three("vacuum:1")) == 3
