"""The one ladder for failure: who is fenced off abandons; after any other failure what ran before runs again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.domain.promotion.recovery import Ending, after_failure, after_restoring, failure_note
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, unexpected
from tasks.kernel.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Fallback(ABC):
    """What ran before a change, and how it comes back, host by host."""

    @property
    @abstractmethod
    def environment(self) -> str:
        """The environment's name."""

    @property
    @abstractmethod
    def release_id(self) -> str | None:
        """The release that ran before; None where nothing ran on any host."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The environment's hosts."""

    @abstractmethod
    def switched(self) -> tuple[str, ...]:
        """Return the hosts that may not run any more what they ran."""

    @abstractmethod
    def begin(self, cause: str) -> None:
        """Say that what ran before is being started again."""

    def prepare(self) -> None:  # noqa: B027 - most share nothing
        """Put back what the hosts share; where that fails, nothing is started on it."""

    @abstractmethod
    def restore(self, host: str) -> str:
        """Start what ran on a host before, and check it, or stop what was started where nothing ran.

        Returns:
            What a person has to know; empty for nothing.
        """

    @abstractmethod
    def revive(self, host: str) -> str:
        """Start what stopped meanwhile on a host that was not switched; return what a person has to know."""

    def stop(self, host: str) -> None:  # noqa: B027 - a rollback always has something to go back to
        """Stop what was left half-started, where nothing ran on any host before."""


def attempt(change: Callable[[], str], fallback: Fallback) -> Ending:
    """Carry a change out; where it fails, what ran before runs again on every host.

    Args:
        change: Carries it out, and returns the line that says so.
    """
    try:
        return Ending(status=Status.SUCCEEDED, message=change())
    except FencedError as error:
        return Ending(status=Status.ABANDONED, message=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the environment must not stay half-changed
        return _recover(fallback, foreseen(error))


def restore(fallback: Fallback, cause: str) -> Ending:
    """Start what ran before on every host that was switched, and on the others what stopped meanwhile.

    A host on which that fails keeps no other from being tried; only who is fenced off stops at once.
    """
    switched = fallback.switched()
    notes, failed = _on_each(("every host",), lambda _: fallback.prepare())
    if not failed:
        notes, failed = _on_each(
            fallback.names,
            lambda host: fallback.restore(host) if host in switched else fallback.revive(host),
        )
    return after_restoring(cause, notes, failed)


def revive(fallback: Fallback) -> str:
    """Start on every host what stopped meanwhile; return what a person has to know, empty for nothing."""
    notes, failed = _on_each(fallback.names, fallback.revive)
    return "; ".join([*notes, *map(str, failed.values())])


def _recover(fallback: Fallback, error: SluiceError) -> Ending:
    switched, before = fallback.switched(), fallback.release_id
    status = after_failure(before, up_started=bool(switched), refused=isinstance(error, RefusedError))
    if status is Status.RESTORING:
        fallback.begin(str(error))
        return restore(fallback, str(error))
    note = failure_note(status, fallback.environment, before)
    if switched:
        _, failed = _on_each(switched, fallback.stop)
        note = "; ".join([note, *map(str, failed.values())])
    elif before is not None:
        note = revive(fallback) or note
    return Ending(status=status, message=f"{error} ({note})")


def _on_each(
    hosts: Iterable[str], act: Callable[[str], str | None]
) -> tuple[list[str], dict[str, SluiceError]]:
    notes: list[str] = []
    failed: dict[str, SluiceError] = {}
    for host in hosts:
        try:
            notes += filter(None, [act(host)])
        except Exception as error:  # noqa: BLE001 - one host must not keep the others from being tried
            failed[host] = foreseen(error)
            if isinstance(error, FencedError):
                break
    return notes, failed


def foreseen(error: Exception) -> SluiceError:
    """Return an error with one line for a person; one that nobody foresaw is logged in full."""
    if isinstance(error, SluiceError):
        return error
    log().error("unexpected failure", exc_info=error)
    return unexpected(error)
