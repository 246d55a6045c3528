"""Compares an environment's hosts with the ledger, and tells what differs newly or no more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.values.drift import Difference
from blocks.values.lifecycle import ACTIVE
from flows.core.describe import describe_commit
from flows.domain.drift.hosts import UNREACHABLE, Expected, find_drift, heads
from flows.domain.drift.view import drift_text
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.services.facts import read_state
from tasks.steps.notify import tell
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from blocks.pipeline import Policy
    from blocks.values.releases import Release
    from flows.core.session import Session
    from tasks.ledger.records import DriftRecord, PromotionRecord
    from tasks.steps.run import Run

_LOOK_BACK = 20


@dataclass(frozen=True)
class Compared:
    """What a look at an environment found.

    Attributes:
        skipped: Why the hosts were not looked at; empty where they were.
    """

    standing: tuple[DriftRecord, ...] = ()
    new: tuple[DriftRecord, ...] = ()
    gone: tuple[DriftRecord, ...] = ()
    skipped: str = ""


def compare(
    session: Session,
    policy: Policy,
    looks: Mapping[str, Run],
    amiss: Mapping[str, str],
    calls: Collection[Difference],
) -> Compared:
    """Compare, record and tell.

    Args:
        looks: Host → a look at it, for those that answer.
        amiss: Host → what is wrong with it, for the others; what stands on them is left standing.
        calls: What a person is needed for; it is about no host.
    """
    busy = _busy(session, policy)
    found, read = list(calls), {""}
    if not busy:
        before = _moment(session, policy)
        seen, hosts = _seen(session, policy, looks, amiss)
        if _moment(session, policy) == before and not _busy(session, policy):
            found, read = [*found, *seen], read | hosts
        else:
            busy = "it changed while its hosts were read"
    compared = record_differences(session, policy.pipeline, policy.name, found, read, busy)
    if compared.new or compared.gone:
        _tell(policy, compared.new, compared.gone, len(compared.standing))
    return compared


def _busy(session: Session, policy: Policy) -> str:
    """Say what changes the environment now, or stopped half-way; empty where nothing does."""
    lease = session.ledger.leases.get(policy.pipeline, policy.name)
    if lease is not None and lease.owner is not None and lease.expires_at and lease.expires_at > utc_now():
        return f"promotion {lease.owner} is changing it"
    active = session.ledger.promotions.active(policy.pipeline, policy.name)
    return f"promotion {active.id} is {active.status.value}" if active and active.status in ACTIVE else ""


def _moment(session: Session, policy: Policy) -> tuple[object, ...]:
    """Return what changes whenever somebody changes the environment."""
    lease = session.ledger.leases.get(policy.pipeline, policy.name)
    running = session.ledger.promotions.running(policy.pipeline, policy.name)
    return (lease.token if lease else None, running.id if running else None)


def _seen(
    session: Session, policy: Policy, looks: Mapping[str, Run], amiss: Mapping[str, str]
) -> tuple[list[Difference], set[str]]:
    expected = _expected(session, policy)
    reading = {name: read_state.submit(run, host=name) for name, run in looks.items()}
    wrong = dict(amiss)
    found: list[Difference] = []
    for name, future in reading.items():
        try:
            found += find_drift(expected, future.result())
        except SluiceError as error:
            log().warning("%s: %s", name, error)
            wrong[name] = error.what
    if expected.release is not None:
        # Where nothing was promoted yet, a host may not be there yet.
        found += [Difference(name, UNREACHABLE, "host", line) for name, line in wrong.items()]
    # What stands on a host that left the environment is over.
    standing = session.ledger.drift.standing(policy.pipeline, policy.name)
    left = {one.host for one in standing} - set(policy.hosts)
    return found, (set(looks) - set(wrong)) | left


def _expected(session: Session, policy: Policy) -> Expected:
    row = session.ledger.promotions.running(policy.pipeline, policy.name)
    release = session.ledger.releases.get(row.release_id) if row and row.release_id else None
    if row is None or release is None:
        return Expected(pipeline=policy.pipeline, release=None)
    return Expected(
        pipeline=policy.pipeline,
        release=release,
        promotion_id=row.id,
        required=_required(session, policy, release),
        revisions=_revisions(session, policy, release),
    )


def _required(session: Session, policy: Policy, release: Release) -> tuple[str, ...]:
    """Return the keys a release requires; none where git no longer has its commit."""
    sha = release.commit.sha
    try:
        text = session.mirror.read_file(sha, session.repository.pipeline_path) or ""
        return describe_commit(session.mirror, session.describe(policy.name, text), sha).required
    except SluiceError as error:
        log().warning("which keys %s requires is not known: %s", release.id, error)
        return ()


def _revisions(session: Session, policy: Policy, release: Release) -> tuple[str, ...]:
    """Return where the database may stand: at the release's own head, or where a promotion left it last.

    A rollback goes back in the code only, so the database may be ahead of what runs.
    """
    own = heads(release.revisions)
    if not own:
        return ()
    left = _left_at(session, session.ledger.promotions.history(policy.pipeline, policy.name, _LOOK_BACK))
    return tuple(dict.fromkeys(one for one in (own, left) if one))


def _left_at(session: Session, rows: list[PromotionRecord]) -> str:
    """Return the revision after the last step that changed the schema; empty where none did lately."""
    for row in rows:
        for step in reversed(session.ledger.steps.of(row.id)):
            receipt = json.loads(step.receipt) if step.status == "finished" and step.receipt else {}
            if isinstance(receipt, dict) and receipt.get("after") and "before" in receipt:
                return str(receipt["after"])
    return ""


def record_differences(
    session: Session,
    pipeline: str,
    place: str,
    found: Collection[Difference],
    read: Collection[str],
    skipped: str = "",
) -> Compared:
    """Record what differs somewhere now.

    Args:
        place: The environment's name, or what stands in its place.
        read: The hosts that were read; what stands on others goes on standing.
    """
    drift, clean = session.ledger.drift, process_redactor().text
    before = {one.id: one for one in drift.standing(pipeline, place)}
    differences = [one._replace(detail=clean(one.detail)[:1000]) for one in found]
    standing = drift.see(pipeline, place, read, differences, utc_now())
    new = tuple(one for one in standing if one.id not in before)
    now = {one.id for one in standing}
    gone = tuple(one for one in before.values() if one.id not in now)
    for one in new:
        log().warning("drift in %s: %s %s %s %s", place, one.host, one.kind, one.subject, one.detail)
    for one in gone:
        log().info("gone in %s: %s %s %s", place, one.host, one.kind, one.subject)
    return Compared(tuple(standing), new, gone, skipped)


def _tell(policy: Policy, new: tuple[DriftRecord, ...], gone: tuple[DriftRecord, ...], standing: int) -> None:
    numbers = "-".join(str(one.id) for one in (*new, *gone))
    data: dict[str, object] = {
        "pipeline": policy.pipeline,
        "environment": policy.name,
        "status": "drift",
        "standing": standing,
        "new": [one.model_dump(mode="json") for one in new],
        "gone": [one.model_dump(mode="json") for one in gone],
    }
    text = drift_text(policy.pipeline, policy.name, new, gone, standing)
    tell(
        policy.notify, process_redactor().text(text), data, f"{policy.pipeline}/{policy.name}/drift/{numbers}"
    )
