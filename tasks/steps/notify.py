"""Telling people. A notification that fails never fails a promotion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from blocks import catalog
from blocks.values.receipts import StepReceipt
from tasks.adapters.notify import post
from tasks.kernel.blocks import MissingBlockError, read_block
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.notifier import Notifier
    from tasks.steps.run import Run


def read_channel(name: str) -> Notifier:
    """Read a channel's block, of the first kind that has one of this name.

    Raises:
        MissingBlockError: No kind has one.
        BlockError: What was typed into it is not valid.
    """
    for kind in catalog.NOTIFIERS:
        with suppress(MissingBlockError):
            return read_block(kind, name)
    kinds = " or ".join(kind.get_block_type_name() for kind in catalog.NOTIFIERS)
    raise MissingBlockError(
        f"there is no notification channel {name}", f"create a {kinds} block {name}, or correct pipeline.yaml"
    )


def tell(names: tuple[str, ...], text: str, data: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Send a text to every channel; a failure is logged and returned as a line, never raised."""
    failed: list[str] = []
    for name in names:
        try:
            channel = read_channel(name)
            process_redactor().add(*channel.secrets())
            channel.send(text, data, f"{key}/{name}", post)
        except Exception as error:  # noqa: BLE001 - whatever it is, no other channel and no promotion suffers from it
            line = process_redactor().text(" ".join(str(error).split()) or type(error).__name__)
            failed.append(f"{name}: {line}")
            log().warning("notify: channel %s was not notified: %s", name, line)
    return tuple(failed)


@step("notify", StepReceipt)
def notify(run: Run, *, text: str, data: dict[str, object], key: str) -> StepReceipt:
    """Tell the environment's channels how a promotion ended.

    Running it twice is safe: it is journaled, and every message carries a key by which a receiver knows a
    repeated one.
    """
    failed = tell(run.policy.notify, text, data, key)
    told = len(run.policy.notify) - len(failed)
    return StepReceipt(
        text=f"{told} notified" + (f", {len(failed)} not: {'; '.join(failed)}" if failed else "")
    )
