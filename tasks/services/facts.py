"""What is true on the hosts now. Nothing here changes anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from tasks.database.schema import read_schema
from tasks.steps.step import fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks.values.drift import HostState
    from blocks.values.facts import HostFacts
    from tasks.steps.run import Run

T = TypeVar("T")


@fact("read host")
def read_host(run: Run, host: str) -> HostFacts:
    """Read everything a plan needs to know of one host.

    Running it twice is safe: it only reads.

    Raises:
        TransientError: The host does not answer.
        TerminalError: The login was refused, the host key is another one, or the engine is down; or the manifest of
            what runs and writes is gone.
    """
    facts, database = _beside_database(run, host, run.target(host).read_facts)
    return facts.model_copy(update=database)


def _beside_database(run: Run, host: str, read: Callable[[], T]) -> tuple[T, dict[str, object]]:
    """Read something of a host, and what the facts of the database's host hold beside it."""
    with ThreadPoolExecutor(1) as beside:
        schema = beside.submit(copy_context().run, _read_database, run, host)
        return read(), schema.result()


def _read_database(run: Run, host: str) -> dict[str, object]:
    if host != run.primary:
        return {}
    running, revision, size = read_schema(run, run.hosts[host])
    return {"database_running": running, "revision": revision, "database_bytes": size}


@fact("read state")
def read_state(run: Run, host: str) -> HostState:
    """Read what a host runs, its current bundle's checksums, and every container on it.

    Running it twice is safe: it only reads.
    """
    state, database = _beside_database(run, host, run.target(host).read_state)
    return state.model_copy(update={"facts": state.facts.model_copy(update=database)})
