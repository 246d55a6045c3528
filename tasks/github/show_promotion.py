"""Showing promotions on GitHub. What fails there never fails a promotion, and costs it little time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from blocks.values.publication import ShowReceipt
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError, TransientError, unexpected
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tasks.ledger.records import StepRecord
    from tasks.ledger.store import Ledger

NAME = "show"
# Between the two tries of what GitHub did not answer.
PAUSE_SECONDS = 2.0


class Published(NamedTuple):
    """What one part of showing did."""

    text: str
    deployment: int = 0


class PublicationPart(NamedTuple):
    """One thing that is shown."""

    name: str
    act: Callable[[], Published]


@task(name=NAME, cache_policy=NO_CACHE, persist_result=False)
def show(act: Callable[[], str]) -> str:
    """Show a promotion on GitHub as the ledger has it now.

    Running it twice is safe: everything is looked for before it is written.
    """
    return act()


def carry(ledger: Ledger, promotion_id: int, moment: str, sha: str, parts: Iterable[PublicationPart]) -> str:
    """Show every part of one moment, with a row in the journal; what fails is reported there and in the log."""
    started = time.monotonic()
    ledger.steps.start(promotion_id, NAME, moment, now=utc_now())
    told, amiss = _told(parts)
    if amiss:
        text = process_redactor().text("; ".join(amiss))[:2000]
        log().warning("not shown on GitHub: %s", text)
        ledger.steps.fail(promotion_id, NAME, moment, error=text, now=utc_now())
        return text
    text = process_redactor().text(", ".join(one.text for one in told if one.text))
    receipt = ShowReceipt(
        text=text or "nothing to show",
        deployment=max((one.deployment for one in told), default=0),
        sha=sha,
        seconds=round(time.monotonic() - started, 3),
    )
    ledger.steps.finish(promotion_id, NAME, moment, receipt=receipt, now=utc_now())
    return receipt.text


def _told(parts: Iterable[PublicationPart]) -> tuple[list[Published], list[str]]:
    told: list[Published] = []
    amiss: list[str] = []
    tries = Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(2),
        wait=wait_fixed(PAUSE_SECONDS),
        reraise=True,
    )
    for part in parts:
        try:
            told.append(tries(part.act))
        except TransientError as error:
            amiss.append(f"{part.name}: {error}")
            # GitHub is away or wants to be left alone: the others would only wait for it too.
            break
        except SluiceError as error:
            amiss.append(f"{part.name}: {error}")
        except Exception as error:  # noqa: BLE001 - the environment runs what it should, whatever goes wrong here
            log().warning("%s: unexpected failure", part.name, exc_info=True)
            amiss.append(f"{part.name}: {unexpected(error)}")
    return told, amiss


def shown(steps: Iterable[StepRecord]) -> dict[str, StepRecord]:
    """Return what was shown of a promotion, or tried: moment → its row in the journal."""
    return {step.host: step for step in steps if step.name == NAME}


def receipts(rows: Mapping[str, StepRecord]) -> tuple[ShowReceipt, ...]:
    """Return what the journal keeps of what was shown, in the order it was first begun."""
    return tuple(ShowReceipt.from_json(row.receipt) for row in rows.values() if row.receipt is not None)
