"""Telling people. A notification that fails never fails a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prefect.blocks.core import Block

from blocks.telegram import TelegramChannel
from blocks.values.receipts import StepReceipt
from blocks.webhook_channel import WebhookChannel
from tasks.adapters.notify import TelegramNotifier, WebhookNotifier
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.steps.run import Run


class Notifier(Protocol):
    """Sends one text to one channel."""

    def send(self, text: str, data: Mapping[str, object], key: str) -> None:
        """Send a text; `key` is equal for a repeated try of the same message."""
        ...


def channel(name: str) -> Notifier:
    """Return the notifier of a channel's block.

    Args:
        name: The block document's name; a Telegram channel is looked for first.

    Returns:
        The notifier.

    Raises:
        ValueError: There is no such block.
    """
    try:
        telegram = Block.load(f"{TelegramChannel.get_block_type_slug()}/{name}")
    except ValueError:
        telegram = None
    if isinstance(telegram, TelegramChannel):
        return TelegramNotifier(
            telegram.token.get_secret_value(), telegram.chat_id, telegram.base_url, silent=telegram.silent
        )
    webhook = Block.load(f"{WebhookChannel.get_block_type_slug()}/{name}")
    if not isinstance(webhook, WebhookChannel):
        raise ValueError(f"no notification channel is named {name}")  # noqa: TRY004 - one message for both
    return WebhookNotifier(webhook.url.get_secret_value(), webhook.plain_headers())


def tell(names: tuple[str, ...], text: str, data: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Send a text to every channel; a failure is logged and told, never raised.

    Args:
        names: The channels' names.
        text: The text.
        data: The same for machines.
        key: What identifies the message.

    Returns:
        One line per channel that could not be told.
    """
    failed: list[str] = []
    for name in names:
        try:
            channel(name).send(text, data, f"{key}/{name}")
        except (SluiceError, ValueError, OSError) as error:
            line = process_redactor().text(str(error)).splitlines()[0]
            failed.append(f"{name}: {line}")
            log().warning("notify: channel %s was not told: %s", name, line)
    return tuple(failed)


@step("notify", StepReceipt)
def notify(run: Run, *, text: str, data: dict[str, object], key: str) -> StepReceipt:
    """Tell the environment's channels how a promotion ended.

    Running it twice is safe: it is journaled, and every message carries a key by which a receiver knows a
    repeated one.

    Args:
        run: The promotion.
        text: The text.
        data: The same for machines.
        key: What identifies the message.

    Returns:
        Which channels could not be told.
    """
    failed = tell(run.policy.notify, text, data, key)
    told = len(run.policy.notify) - len(failed)
    return StepReceipt(text=f"{told} told" + (f", {len(failed)} not: {'; '.join(failed)}" if failed else ""))
