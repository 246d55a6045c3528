"""Stores deliveries before they are answered, many in one transaction where many come at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from blocks.values.deliveries import Arrived
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.ledger.deliveries import Taken
from tasks.ledger.store import Ledger

# How long the first of a transaction waits for others.
_GATHER_SECONDS = 0.004


class Intake:
    """The way of deliveries into the ledger.

    A transaction costs a flush to the disk, and on SQLite one writer waits for another. So what comes while one is
    being written goes into the next, together.

    Args:
        stored: Is called when something new is there.
    """

    def __init__(self, ledger: Ledger, stored: Callable[[], None]) -> None:
        self._ledger = ledger
        self._stored = stored
        self._coming: list[tuple[Arrived, asyncio.Future[Taken]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")

    async def store(self, arrived: Arrived) -> Taken:
        """Store a delivery; returns when it is on the disk, with whether it is new."""
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._coming.append((arrived, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await future

    @property
    def busy(self) -> bool:
        """True while somebody waits for an answer."""
        return bool(self._coming) or not (self._writing is None or self._writing.done())

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._coming:
            await asyncio.sleep(_GATHER_SECONDS)
            batch, self._coming = self._coming, []
            items = [arrived for arrived, _ in batch]
            answers = await loop.run_in_executor(self._thread, self._take_in, items)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, SluiceError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            self._stored()

    def _take_in(self, items: list[Arrived]) -> list[Taken | SluiceError]:
        try:
            return [*self._ledger.deliveries.take_in(items, datetime.now(UTC))]
        except TerminalError as error:
            # What the database refuses of one must not keep the others out.
            return [error] if len(items) == 1 else [one for item in items for one in self._take_in([item])]
        except SluiceError as error:
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 - whoever waits must be answered, whatever it is
            return [TerminalError(f"unexpected {type(error).__name__}: {error}")] * len(items)

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()
