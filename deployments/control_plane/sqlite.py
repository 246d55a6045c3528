"""How Prefect's server begins its transactions on SQLite."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.settings import get_current_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class QueueingSqlite(AioSqliteConfiguration):
    """A SQLite database whose transactions wait for each other instead of failing.

    Prefect begins most of its writing transactions as readers (`BEGIN DEFERRED`). SQLite refuses one that wants to
    write after another has written meanwhile, at once and whatever the timeout: an answer to a run that waits, or a
    worker's heartbeat, then fails with `database is locked`. Begun as writers (`BEGIN IMMEDIATE`), they queue up.
    """

    @asynccontextmanager
    async def begin_transaction(
        self,
        session: AsyncSession,
        with_for_update: bool = False,  # noqa: FBT001, FBT002 - as Prefect calls it
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction as a writer."""
        del with_for_update
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def queue_writes() -> None:
    """Have the server of this process use such a database, unless it keeps its data elsewhere."""
    url = get_current_settings().server.database.connection_url
    if url is not None and url.get_secret_value().startswith("sqlite"):
        set_database_config(QueueingSqlite(connection_url=url.get_secret_value()))
