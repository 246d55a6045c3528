"""What Prefect has no setting for, and a server on a small machine needs."""

from __future__ import annotations

import asyncio
import queue
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from burner_redis.pubsub import PubSub
    from docket import Docket
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_MARK_EVERY_SECONDS = 15.0
_MARKS = ("mark_deployments_ready:", "mark_work_queues_ready:")
_LOOK_EVERY = timedelta(seconds=2)
_BEAT_EVERY = timedelta(seconds=15)


def calm_the_scheduler() -> None:
    """Let the server's task scheduler look every two seconds, not four or ten times each second.

    Prefect's server keeps its periodic work in docket. Its in-memory queue runs a Lua script in each look, asks for
    work four times a second, and waits for messages on a thread in slices of a tenth of a second: dozens of wake-ups
    a second for work that comes every few seconds. So the classes the server takes them from are wrapped.
    """
    from burner_redis.pubsub import PubSub
    from docket import Worker
    from prefect.server.api import background_workers, server

    vars(background_workers)["Worker"] = partial(
        Worker, scheduling_resolution=_LOOK_EVERY, minimum_check_interval=_LOOK_EVERY
    )
    vars(server)["Docket"] = sparing_docket
    # What waits for messages; its own slices are a tenth of a second long.
    setattr(PubSub, "_queue_get", _next_message)  # noqa: B010 - mypy refuses the plain assignment


def sparing_docket(name: str, url: str, execution_ttl: timedelta = timedelta(0)) -> Docket:
    """Return a docket that is told once in a while that a worker asked for runs, not each time.

    Each question of a worker, one per second, puts two tasks into the docket, which write down that the work pool and
    its deployments are looked after. Prefect draws conclusions from that after a minute; the rest is load.

    Args:
        name: Its name.
        url: The address of its queue.
        execution_ttl: How long it remembers what was done.
    """
    from docket import Docket

    docket = Docket(name, url, heartbeat_interval=_BEAT_EVERY, execution_ttl=execution_ttl)
    add: Callable[..., Callable[..., Awaitable[Any]]] = docket.add
    marked: dict[str, float] = {}

    def add_unless_just_marked(
        function: Callable[..., Awaitable[Any]] | str, when: datetime | None = None, key: str | None = None
    ) -> Callable[..., Awaitable[Any]]:
        if key is not None and key.startswith(_MARKS):
            now = time.monotonic()
            if now - marked.get(key, -_MARK_EVERY_SECONDS) < _MARK_EVERY_SECONDS:
                return _nothing
            marked[key] = now
        return add(function, when, key)

    setattr(docket, Docket.add.__name__, add_unless_just_marked)
    return docket


async def _nothing(*_: object, **__: object) -> None:
    return


async def _next_message(self: PubSub, timeout: float | None) -> object:
    """Take a message: at once or not at all for 0, whenever it comes for None, else within two seconds."""
    waiting: queue.Queue[object] = self._queue
    if timeout == 0.0:
        with suppress(queue.Empty):
            return waiting.get_nowait()
        return None
    while True:
        with suppress(queue.Empty):
            return await asyncio.to_thread(waiting.get, timeout=_LOOK_EVERY.total_seconds())
        if timeout is not None:
            return None


def announce_writes() -> None:
    """Let transactions of the server's SQLite database wait for each other instead of failing.

    Prefect begins most of its writing transactions as readers (`BEGIN DEFERRED`). SQLite refuses one that wants to
    write after another has written meanwhile, at once and whatever the timeout: an answer to a run that waits, or a
    worker's heartbeat, then fails with `database is locked`. Begun as writers (`BEGIN IMMEDIATE`), they queue up.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_transaction(
        self: AioSqliteConfiguration,
        session: AsyncSession,
        with_for_update: bool = False,  # noqa: FBT001, FBT002 - the signature it replaces
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        del with_for_update
        return begin(self, session, with_for_update=True)

    setattr(AioSqliteConfiguration, begin.__name__, begin_transaction)
