"""Looking again until something is so: one way for all that waits for a host, a server or an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_not_result,
    stop_after_delay,
    wait_fixed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def poll(
    look: Callable[[], T],
    done: Callable[[T], bool] = bool,
    *,
    seconds: float,
    every: float,
    cured: tuple[type[Exception], ...] = (),
) -> T:
    """Look until what is found is enough, or the time is over.

    Args:
        look: Called at least once.
        done: Says whether what was found is enough.
        seconds: No look begins later than this after the first one.
        every: Seconds between two looks.
        cured: Errors after which another look may help.

    Returns:
        What was found last, enough or not.

    Raises:
        Exception: What the last look raised.
    """
    looks: Retrying = Retrying(
        retry=retry_if_not_result(done) | retry_if_exception_type(cured),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(every),
        retry_error_callback=_last,
    )
    return looks(look)


def _last(state: RetryCallState) -> object:
    """Return what the last look found, or raise what it raised."""
    return state.outcome.result() if state.outcome is not None else None
