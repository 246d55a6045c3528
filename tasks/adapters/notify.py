"""Posts JSON to whom a notification channel tells."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import RedactingFilter, process_redactor
from tasks.kernel.tls import authorities

TRIES = 3
# Telegram, for one, may ask for a pause of any length; a promotion does not wait for ever to tell people.
LONGEST_WAIT_SECONDS = 30.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)

# The library logs every address it asks, and Telegram's hold the token.
logging.getLogger("httpx").addFilter(RedactingFilter())

Sleep = Callable[[float], None]


class _PassingError(TransientError):
    """A failure that may pass.

    Attributes:
        pause: The seconds that the receiver asks to wait, None where it names none.
    """

    pause: float | None = None


def post(
    who: str, url: str, body: Mapping[str, object], headers: Mapping[str, str], *, sleep: Sleep = time.sleep
) -> None:
    """Post JSON, trying again what may pass."""
    tries: Retrying = Retrying(
        retry=retry_if_exception(_is_worth_waiting),
        stop=stop_after_attempt(TRIES),
        wait=_pause,
        sleep=sleep,
        reraise=True,
    )
    tries(_post_once, who, url, body, headers)


def _is_worth_waiting(error: BaseException) -> bool:
    return isinstance(error, _PassingError) and (error.pause or 0.0) <= LONGEST_WAIT_SECONDS


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.pause if isinstance(error, _PassingError) else None
    return float(2 ** (state.attempt_number - 1)) if asked is None else asked


def _post_once(who: str, url: str, body: Mapping[str, object], headers: Mapping[str, str]) -> None:
    try:
        answer = httpx.post(
            url, json=dict(body), headers=dict(headers), timeout=_TIMEOUT, verify=authorities()
        )
    except httpx.InvalidURL:
        raise TerminalError(f"the address of {who} is not valid", "correct the channel's block") from None
    except httpx.TransportError as error:
        # The library's own text may hold the address, and that the token.
        raise _PassingError(f"{who} does not answer: {type(error).__name__}", "check the network") from None
    if not answer.is_success:
        raise _failure(who, answer)


def _failure(who: str, answer: httpx.Response) -> TerminalError | _PassingError:
    status = answer.status_code
    if status < httpx.codes.BAD_REQUEST:
        # Where it points to is not shown: such an address may hold a token.
        return TerminalError(
            f"{who} redirected the message (status {status}); it was not followed, so nobody was notified",
            "set the new address in the notification channel's block",
        )
    if status == httpx.codes.TOO_MANY_REQUESTS:
        pause = _retry_after(answer)
        error = _PassingError(f"{who} asks to wait {pause:g} s", "it is sent again with the next event")
        error.pause = pause
        return error
    if answer.is_server_error:
        return _PassingError(f"{who} failed with status {status}", "see the receiver's log")
    said = process_redactor().text(" ".join(answer.text.split())[:200])
    return TerminalError(
        f"{who} refused the message with status {status}: {said}", "check the notification channel's block"
    )


def _retry_after(answer: httpx.Response) -> float:
    """Return the pause asked for: Telegram says it in the body, others in a header."""
    try:
        return float(answer.json()["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        text = answer.headers.get("Retry-After", "")
        return float(text) if text.isdecimal() else 1.0
