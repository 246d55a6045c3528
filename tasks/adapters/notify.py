"""Posts JSON to whom a notification channel tells."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import httpx

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import RedactingFilter, process_redactor
from tasks.kernel.tls import authorities

TRIES = 3
# Telegram, for one, may ask for a pause of any length; a promotion does not wait for ever to tell people.
LONGEST_WAIT_SECONDS = 30.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_SERVER_ERROR = 500

# The library logs every address it asks, and Telegram's hold the token.
logging.getLogger("httpx").addFilter(RedactingFilter())

Sleep = Callable[[float], None]


def post(
    who: str, url: str, body: Mapping[str, object], headers: Mapping[str, str], *, sleep: Sleep = time.sleep
) -> None:
    """Post JSON, trying again what may pass.

    Raises:
        TransientError: The receiver does not answer or fails, or asks for a longer pause than is waited for.
        TerminalError: It refuses the message.
    """
    pause = 0.0
    error: TransientError | None = None
    for attempt in range(TRIES):
        if attempt:
            sleep(pause)
        try:
            answer = httpx.post(
                url, json=dict(body), headers=dict(headers), timeout=_TIMEOUT, verify=authorities()
            )
        except httpx.InvalidURL:
            raise TerminalError(f"the address of {who} is not valid", "correct the channel's block") from None
        except httpx.TransportError as failed:
            # The library's own text may hold the address, and that the token.
            error = TransientError(f"{who} does not answer: {type(failed).__name__}", "check the network")
            pause = float(2**attempt)
            continue
        error, pause = _judge(who, answer, attempt)
        if error is None:
            return
        if pause > LONGEST_WAIT_SECONDS:
            break
    if error is not None:
        raise error


def _judge(who: str, answer: httpx.Response, attempt: int) -> tuple[TransientError | None, float]:
    """Return what failed, if another try may help, and the pause before it."""
    status = answer.status_code
    if answer.is_success:
        return None, 0.0
    if status < httpx.codes.BAD_REQUEST:
        # Where it points to is not shown: such an address may hold a token.
        raise TerminalError(
            f"{who} redirected the message (status {status}); it was not followed, so nobody was notified",
            "set the new address in the notification channel's block",
        )
    if status == httpx.codes.TOO_MANY_REQUESTS:
        pause = _retry_after(answer)
        return TransientError(
            f"{who} asks to wait {pause:g} s", "it is sent again with the next event"
        ), pause
    if status >= _SERVER_ERROR:
        return TransientError(f"{who} failed with status {status}", "see the receiver's log"), float(
            2**attempt
        )
    said = process_redactor().text(" ".join(answer.text.split())[:200])
    raise TerminalError(
        f"{who} refused the message with status {status}: {said}", "check the notification channel's block"
    ) from None


def _retry_after(answer: httpx.Response) -> float:
    """Return the pause asked for: Telegram says it in the body, others in a header."""
    try:
        return float(answer.json()["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        text = answer.headers.get("Retry-After", "")
        return float(text) if text.isdecimal() else 1.0
