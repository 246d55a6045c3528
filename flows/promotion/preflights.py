"""What comes before a change: whether the hosts can carry it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.kernel.errors import SluiceError
from tasks.services.preflight import preflight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prefect.futures import PrefectFuture

    from blocks.values.facts import HostFacts
    from blocks.values.receipts import StepReceipt
    from tasks.steps.run import Run


def begin_preflights(
    run: Run,
    hosts: Mapping[str, HostFacts],
    names: Iterable[str],
    *,
    ports: frozenset[int],
    backup: bool,
    bundle: int = 0,
) -> list[PrefectFuture[StepReceipt]]:
    """Begin to check hosts, side by side.

    Args:
        backup: True when a dump is taken, for which the database's host needs the space.
        bundle: How many bytes every host needs for the release's files.
    """
    needed = 2 * (hosts[run.primary].database_bytes or 0) if backup else 0
    return [
        preflight.submit(
            run, host=name, ports=ports, needed_bytes=bundle + (needed if name == run.primary else 0)
        )
        for name in names
    ]


def raise_first(futures: Sequence[PrefectFuture[Any]]) -> None:
    """Wait for all, then raise the first error: nothing runs on while a failure is judged."""
    errors = [error for error in map(_error_of, futures) if error]
    if errors:
        raise errors[0]


def _error_of(future: PrefectFuture[Any]) -> SluiceError | None:
    try:
        future.result()
    except SluiceError as error:
        return error
    return None
