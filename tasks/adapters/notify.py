"""Tells people: Telegram, and any receiver of JSON webhooks."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import RedactingFilter, process_redactor
from tasks.kernel.tls import authorities

TRIES = 3
# Telegram may ask for a pause of any length; a promotion does not wait for ever to tell people.
LONGEST_WAIT_SECONDS = 30.0
TELEGRAM_UNITS = 4096
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_SERVER_ERROR = 500
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|signature", re.IGNORECASE)

# The library logs every address it asks, and Telegram's hold the token.
logging.getLogger("httpx").addFilter(RedactingFilter())

Sleep = Callable[[float], None]


class TelegramNotifier:
    """Sends to one Telegram chat, as plain text: nothing in a commit's subject can then be markup.

    Args:
        token: The bot's token.
        chat_id: The chat.
        base_url: Where the Bot API is.
        silent: Deliver without a sound.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        token: str,
        chat_id: str,
        base_url: str = "https://api.telegram.org",
        *,
        silent: bool = False,
        sleep: Sleep = time.sleep,
    ) -> None:
        process_redactor().add(token)
        self._url = f"{base_url.rstrip('/')}/bot{token}/sendMessage"
        self._chat_id = chat_id
        self._silent = silent
        self._sleep = sleep

    def send(self, text: str, data: Mapping[str, object], key: str) -> None:  # noqa: ARG002 - one interface for all
        """Send a text, cut where it is longer than Telegram allows.

        Args:
            text: The text.
            data: Not sent: the text says it.
            key: Not sent: Telegram knows no repeated message.

        Raises:
            TransientError: Telegram does not answer, or asks for a longer pause than is waited for.
            TerminalError: It refuses: wrong token or chat.
        """
        body = {
            "chat_id": self._chat_id,
            "text": shorten(text, TELEGRAM_UNITS),
            "disable_notification": self._silent,
            "link_preview_options": {"is_disabled": True},
        }
        _post("Telegram", self._url, body, {}, self._sleep)


class WebhookNotifier:
    """Posts JSON to an address.

    Args:
        url: The address; it may hold a secret and is never shown.
        headers: Headers to send, such as an authorization.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, *, sleep: Sleep = time.sleep
    ) -> None:
        self._url = url
        self._headers = dict(headers or {})
        process_redactor().add(
            url, *(value for name, value in self._headers.items() if _SECRET_HEADER.search(name))
        )
        self._sleep = sleep

    def send(self, text: str, data: Mapping[str, object], key: str) -> None:
        """Post `{"text": …, "data": …}` with the header `Idempotency-Key`.

        Args:
            text: The text for people.
            data: The same for machines.
            key: Equal for every try of one message.

        Raises:
            TransientError: The receiver does not answer or fails.
            TerminalError: It refuses the message.
        """
        headers = {**self._headers, "Idempotency-Key": key}
        _post("the webhook", self._url, {"text": text, "data": dict(data)}, headers, self._sleep)


def shorten(text: str, units: int) -> str:
    """Cut a text to so many UTF-16 units, which is how Telegram counts, and mark the cut.

    A character outside the first plane counts two and is never split.
    """
    if _units(text) <= units:
        return text
    kept, left = [], units - 1
    for character in text:
        left -= _units(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _post(who: str, url: str, body: Mapping[str, Any], headers: Mapping[str, str], sleep: Sleep) -> None:
    """Post JSON, trying again what may pass."""
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
            raise TerminalError(f"the address of {who} is none", "correct the channel's block") from None
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
            f"{who} redirected the message (status {status}); it was not followed, so nobody was told",
            "set the new address in the notification channel's block",
        )
    if status == httpx.codes.TOO_MANY_REQUESTS:
        pause = _retry_after(answer)
        return TransientError(
            f"{who} asks to wait {pause:g} s", "it is told again with the next event"
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
        return float(text) if text.isdigit() else 1.0
