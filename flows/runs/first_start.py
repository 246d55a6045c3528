"""What a run was started for first, in the ledger: a later start that asks for something else is ended."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prefect import runtime

from blocks.settings import Settings
from blocks.values.asked import AskedFor
from blocks.values.lifecycle import ACTIVE, ENDED, Status
from flows.core.outcome import failed_state, tell_end
from flows.core.session import read_pipeline, showing_of
from flows.domain.promotion.asked import (
    ChangedValue,
    changed_text,
    changes_of,
    repository_changes,
    what_to_do,
)
from flows.publication.show import show_end
from tasks.git.mirror import GitMirror, mirror_directory
from tasks.images.resolve import read_policy
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError
from tasks.kernel.redact import process_redactor
from tasks.ledger.errors import IllegalTransition
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect.client.schemas.objects import State

    from blocks.pipeline import Policy
    from blocks.values.asked import Parameter, RepositoryFacts
    from blocks.values.lifecycle import Kind
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger

# A run that is retried after one of these is a new attempt, with a row of its own: rows are never reopened.
_TRY_ANEW = frozenset(
    {Status.FAILED, Status.REFUSED, Status.RESTORED, Status.BROKEN, Status.EXPIRED, Status.ABANDONED}
)


class ChangedError(RefusedError):
    """A run asks for something else than it was started for. Nothing of that was used."""


def flow_run_key() -> str:
    """Return the present flow run's id."""
    return str(runtime.flow_run.id)


def promotion_of(ledger: Ledger, run: str) -> tuple[PromotionRecord | None, str]:
    """Find a run's promotion.

    Returns:
        Its last promotion, None where this is its first start; and the key it goes on with: that promotion's own, or
        one for a new attempt.
    """
    key, attempt, last = run, 1, None
    while (known := ledger.promotions.of_run(key)) is not None:
        last = known
        if known.status not in _TRY_ANEW:
            break
        attempt += 1
        key = f"{run}#{attempt}"
    return last, key


def refuse_changed(
    row: PromotionRecord | None, kind: Kind, parameters: Mapping[str, Parameter], *, run: str
) -> None:
    """See that a run asks for what it was started for, before anything of what it asks for is used."""
    if row is not None:
        first = row.asked.parameters if row.asked is not None else None
        _refuse(row, changes_of(row, kind, parameters), "this run's parameters were", run, first)


def refuse_elsewhere(row: PromotionRecord | None, now: RepositoryFacts, *, run: str) -> None:
    """See that the run's repository is the one that it was started for, before it is fetched."""
    if row is not None:
        _refuse(row, repository_changes(row.asked, now), "the run's git-repository block was", run)


def refuse_renamed(row: PromotionRecord, pipeline: str, *, run: str) -> None:
    """See that the pipeline still has the name under which the promotion stands in the ledger."""
    if row.pipeline != pipeline:
        changes = (ChangedValue(name="pipeline", first=row.pipeline, now=pipeline),)
        _refuse(row, changes, "pipeline.yaml was", run)


def _refuse(
    row: PromotionRecord,
    changes: tuple[ChangedValue, ...],
    what: str,
    run: str,
    parameters: Mapping[str, Parameter] | None = None,
) -> None:
    if not changes:
        return
    todo = what_to_do(row.status, run, row.environment, parameters)
    raise ChangedError(changed_text(changes, what), todo)


def settle_unknown(ledger: Ledger, row: PromotionRecord, policy: Policy, asked: AskedFor) -> None:
    """Write down what the promotion of an earlier version of Sluice is asked for; nobody kept all of it then.

    People may have approved its plan already. It names the policy they approved under: with another one, which another
    repository would have, their approvals must not let it in.
    """
    if row.asked is not None or row.status in ENDED:
        return
    plan = row.plan
    if plan is not None and plan.policy_checksum != policy.checksum:
        raise ChangedError(
            f"promotion {row.id} was started with an earlier version of Sluice, and the policy of {row.environment} is "
            "not the one it was planned with: it is not known which repository it was started for",
            what_to_do(row.status, str(row.flow_run_id).partition("#")[0], row.environment),
        )
    ledger.promotions.keep_asked(row.id, asked)


def end_changed(ledger: Ledger, row: PromotionRecord, error: ChangedError) -> State[Any]:
    """End a run that asks for something else than it was started for.

    Args:
        row: Its promotion. One that changes something, or has ended, stays as it is.
    """
    text = process_redactor().text(str(error))[:2000]
    log().error("%s", text)
    if row.status not in ACTIVE | ENDED:
        # Where it ended meanwhile, that stays.
        with suppress(IllegalTransition):
            _tell(ledger, ledger.promotions.move(row.id, Status.REFUSED, now=utc_now(), message=text))
    return failed_state(text, "Refused")


def _tell(ledger: Ledger, row: PromotionRecord) -> None:
    """Tell the channels and show the end on GitHub, by what was fetched for the promotion: nothing else is asked."""
    if row.asked is None:
        log().warning("nobody is notified: promotion %s is from before its repository was recorded", row.id)
        return
    where = row.asked.repository
    try:
        mirror = GitMirror(where.url, mirror_directory(Settings().home / "mirrors", where.url))
        text = read_policy(mirror, where.default_branch, where.pipeline_path)
        pipeline = read_pipeline(text, where.pipeline_path)
        policy = pipeline.policy(row.environment)
        release = ledger.releases.get(row.release_id) if row.release_id else None
        tell_end(policy.notify, row, release)
        if policy.show.anything:
            show_end(showing_of(ledger, pipeline, mirror, where), row.id)
    except SluiceError as error:
        log().warning("nobody is notified: %s", error)
    except Exception:  # noqa: BLE001 - the promotion has ended, whoever hears of it
        log().warning("nobody is notified: unexpected failure", exc_info=True)
