"""Telling people. A notification that fails never fails a promotion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from blocks.catalog import CHANNELS
from blocks.telegram import TelegramChannel
from blocks.values.receipts import StepReceipt
from tasks.adapters.notify import TelegramNotifier, WebhookNotifier
from tasks.kernel.blocks import MissingBlockError, read_block
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect.blocks.core import Block

    from blocks.webhook_channel import WebhookChannel
    from tasks.steps.run import Run


class Notifier(Protocol):
    """Sends one text to one channel."""

    def send(self, text: str, data: Mapping[str, object], key: str) -> None:
        """Send a text; `key` is equal for a repeated try of the same message."""
        ...


def read_channel(name: str) -> Block:
    """Read a channel's block, of the first kind that has one of this name.

    Raises:
        MissingBlockError: No kind has one.
        BlockError: What was typed into it is not valid.
    """
    for kind in CHANNELS:
        with suppress(MissingBlockError):
            return read_block(kind, name)
    kinds = " or ".join(kind.get_block_type_name() for kind in CHANNELS)
    raise MissingBlockError(
        f"there is no notification channel {name}", f"create a {kinds} block {name}, or correct pipeline.yaml"
    )


def channel(name: str) -> Notifier:
    """Return the notifier of a channel's block.

    Raises:
        BlockError: There is no such block, or it is not valid.
    """
    block = read_channel(name)
    if isinstance(block, TelegramChannel):
        return TelegramNotifier(
            block.token.get_secret_value(), block.chat_id, block.base_url, silent=block.silent
        )
    webhook = cast("WebhookChannel", block)
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
        except Exception as error:  # noqa: BLE001 - whatever it is, no other channel and no promotion suffers from it
            line = process_redactor().text(" ".join(str(error).split()) or type(error).__name__)
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
