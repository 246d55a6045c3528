"""What follows a promotion's end: tags, pruning, telling people, the report. Each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.outcome import GOOD, data_of, end_key, message_of, publish, report_markdown
from flows.core.rescue_file import keep_rescue
from flows.domain.words.names import image_tags
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.services.finish import prune, tag
from tasks.services.remember import remember
from tasks.steps.notify import notify
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.futures import PrefectFuture

    from blocks.values.receipts import StepReceipt
    from blocks.values.releases import Release
    from blocks.values.resolved import Resolved
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run


def finish(run: Run, *, resolved: Resolved | None = None, warnings: tuple[str, ...] = ()) -> PromotionRecord:
    """Do what follows a promotion's end. What fails here is told and changes nothing about the end.

    Args:
        resolved: What was asked for; its ref becomes a tag.
    """
    row = run.ledger.promotions.get(run.promotion_id)
    if row is None:
        raise RuntimeError(f"promotion {run.promotion_id} has no row")
    release = run.ledger.releases.get(row.release_id) if row.release_id else None
    # Side by side: none of them needs another.
    begun: dict[str, PrefectFuture[StepReceipt]] = {}
    if row.status is Status.SUCCEEDED and release is not None and run.keeper is not None:
        begun["tag"] = tag.submit(run, release=release, tags=_names(run, release, resolved))
        begun["prune"] = _prune(run, release)
        begun["remember"] = remember.submit(run)
    if run.policy.notify and row.status is not Status.SUPERSEDED:
        text = process_redactor().text(message_of(row, release, warnings))
        begun["notify"] = notify.submit(run, text=text, data=data_of(row, release), key=end_key(row))
    for name, future in begun.items():
        _quietly(name, future.result)
    if row.status in GOOD:
        _quietly("rescue", lambda: keep_rescue(run))
    steps = run.ledger.steps.of(run.promotion_id)
    report = process_redactor().text(report_markdown(row, steps, release))
    _quietly("report", lambda: publish(f"report-{run.pipeline}-{run.environment}", report, "How it went"))
    return row


def _quietly(what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except SluiceError as error:
        log().warning("%s: %s", what, error)
    except Exception:  # noqa: BLE001 - the environment runs what it should, whatever goes wrong in telling so
        log().warning("%s: unexpected failure", what, exc_info=True)


def _names(run: Run, release: Release, resolved: Resolved | None) -> tuple[str, ...]:
    by_ref = image_tags(release.commit.sha, resolved.kind, resolved.name)[1:] if resolved else ()
    return (run.environment, *by_ref)


def _prune(run: Run, release: Release) -> PrefectFuture[StepReceipt]:
    kept = kept_releases(run, release)
    return prune.submit(
        run,
        keep=tuple(kept),
        digests=tuple(image.digest for one in kept.values() for image in one.images),
        repositories=tuple(image.repository for image in release.images),
    )


def kept_releases(run: Run, release: Release) -> dict[str, Release]:
    """Return the releases whose bundles and images stay on the hosts: the newest that ran here."""
    kept = {release.id: release}
    # What another promotion prepared while people are asked must be there when they have answered.
    for waiting in run.ledger.promotions.open_in(run.pipeline, run.environment):
        found = run.ledger.releases.get(waiting.release_id) if waiting.release_id else None
        if found is not None:
            kept[found.id] = found
    for row in run.ledger.promotions.history(run.pipeline, run.environment, limit=1000):
        if len(kept) >= run.policy.keep_releases:
            break
        if row.status in GOOD and row.release_id and row.release_id not in kept:
            found = run.ledger.releases.get(row.release_id)
            if found is not None:
                kept[found.id] = found
    return kept
