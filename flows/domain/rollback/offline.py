"""Where a rollback goes when only the hosts' own memory is left, and whether the schema lets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from blocks.values.base import Value
from blocks.values.lifecycle import Status
from blocks.values.manifests import Manifest
from blocks.values.offline import HostMemory, OfflineRollback
from blocks.values.rollback import StrategyKind
from flows.domain.rollback.choice import PastPromotion, choose_target
from flows.domain.rollback.evidence import RollbackEvidence
from flows.domain.rollback.strategy import decide_strategy
from flows.domain.words.text import one_line

_FROM_STAGING = (
    "the host does not remember which releases ran: the choice is by what ran before each was put there, and by "
    "the order they were put there"
)
_MOST_NAMED = 5
_OFFLINE_KEY = "offline"


class OfflinePlan(Value):
    """What a rollback without ledger would do.

    Attributes:
        refused: Why not, and what to do; empty where it may go on.
    """

    target: Manifest | None = None
    left: Manifest | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    refused: str = ""


def look_ahead(
    wanted: str,
    memory: HostMemory,
    *,
    environment: str,
    migrates: bool,
    revision: tuple[str, ...] | None,
    insist: bool,
) -> OfflinePlan:
    """Decide where to go, from what the host with the database remembers.

    Args:
        insist: True where a person answers for what nothing proves: a held release they named, a migration
            nobody judged.
    """
    warnings = list(memory.unread)
    running, half = memory.current, half_gone_back(memory)
    if half and not wanted.strip():
        wanted = memory.current or ""
        warnings.append(f"an earlier rollback from {half} to {wanted} was interrupted: it is continued")
    if not _remembered(memory):
        warnings.append(_FROM_STAGING)
    held = memory.live[-1].held if memory.live else ()
    decision = choose_target(
        wanted,
        history_of(memory),
        environment=environment,
        running_release_id=None if half else running,
        held=() if insist and wanted.strip() else held,
    )
    # Half-way between two releases, either may be gone to; the other one is left then.
    running = half if half and decision.release_id == running else running
    target, left = memory.manifests.get(decision.release_id or ""), memory.manifests.get(running or "")
    if target is None:
        return OfflinePlan(left=left, warnings=tuple(warnings), refused=decision.refused_reason)
    evidence = replace(
        _evidence(memory, target, left),
        environment=environment,
        current=revision,
        migrates=migrates,
        insist=insist,
    )
    return _judged(target, left, tuple(warnings), evidence)


def _evidence(memory: HostMemory, target: Manifest, left: Manifest | None) -> RollbackEvidence:
    return RollbackEvidence(
        environment="",
        target_id=target.release.id,
        target=target.release.revisions,
        running_id=left.release.id if left else None,
        running=left.release.revisions if left else (),
        known=tuple(one for kept in memory.manifests.values() for one in kept.release.revisions),
        verdicts={one.revision: one for live in memory.live for one in live.verdicts},
        rehearsals=tuple(live.rehearsal for live in reversed(memory.live) if live.rehearsal),
    )


def half_gone_back(memory: HostMemory) -> str | None:
    """Return the release that was being left when a rollback was cut, None where none was.

    The link leads to a release that ran here earlier and is not the last one that is known to have run: somebody
    was going back to it, and nothing says that they arrived.
    """
    if not memory.live or memory.live[-1].release_id == memory.current:
        return None
    earlier = any(one.release_id == memory.current for one in memory.live)
    return memory.live[-1].release_id if earlier else None


def history_of(memory: HostMemory) -> tuple[PastPromotion, ...]:
    """Return the releases that could be gone back to: those whose bundle is kept and that ran here."""
    if _remembered(memory):
        return tuple(
            _past(memory.manifests[one.release_id], one.at)
            for one in memory.live
            if one.release_id in memory.manifests
        )
    return _by_staging(memory)


def _remembered(memory: HostMemory) -> bool:
    return any(one.release_id in memory.manifests for one in memory.live)


def _by_staging(memory: HostMemory) -> tuple[PastPromotion, ...]:
    """Guess from the bundles: what ran before each was put there surely ran; of the rest only when it came is known."""
    current = memory.manifests.get(memory.current or "")
    if current is None:
        return ()
    order = [current]
    while (before := memory.manifests.get(order[-1].previous_release_id or "")) and before not in order:
        order.append(before)
    older = sorted(memory.manifests.values(), key=lambda one: one.staged_at, reverse=True)
    order += [one for one in older if one not in order and one.staged_at < current.staged_at]
    return tuple(_past(one, current.staged_at - timedelta(seconds=place)) for place, one in enumerate(order))


def _past(manifest: Manifest, at: datetime) -> PastPromotion:
    release = manifest.release
    return PastPromotion(
        release_id=release.id, commit=release.commit.sha, status=Status.SUCCEEDED, ended_at=at
    )


def _judged(
    target: Manifest, left: Manifest | None, warnings: tuple[str, ...], evidence: RollbackEvidence
) -> OfflinePlan:
    """Say whether the schema lets the code go back alone: there is no other way without the ledger."""
    going = decide_strategy(evidence)
    if going.way is not StrategyKind.CODE:
        return OfflinePlan(left=left, warnings=warnings, refused=_refusal(evidence))
    ahead = evidence.ahead
    if ahead:
        names = ", ".join(one_line(one.id, 40) for one in ahead[-_MOST_NAMED:])
        warnings = (*warnings, f"the database stays ahead of {target.release.id} by {names}: {going.reason}")
    return OfflinePlan(target=target, left=left, reason=going.reason, warnings=warnings)


def _refusal(evidence: RollbackEvidence) -> str:
    """Say what stands in the way, and what a person can do where only knowledge is missing."""
    target = evidence.target_id
    if evidence.pending:
        names = ", ".join(one_line(one.id, 40) for one in evidence.pending[:_MOST_NAMED])
        return f"{target} needs migrations the database lacks ({names}): only a promotion can start it again"
    breaking = [f"{one_line(one.revision, 40)} is {one.risk}" for one in evidence.judged if one.risk.breaks]
    if not breaking and (evidence.unjudged or evidence.untold):
        what = (
            ", ".join(one_line(one, 40) for one in evidence.unjudged[:_MOST_NAMED]) or "whatever ran between"
        )
        return (
            f"nothing proves that {target} runs on this schema ({what}): if you know that it does, --insist"
        )
    why = "; ".join(breaking) or "it failed on a copy with this schema"
    return (
        f"{target} does not run on this schema ({why}): with the ledger, "
        f"`sluice plan rollback {evidence.environment}` shows the other ways"
    )


def offline_key(past: OfflineRollback) -> str:
    """Return what identifies a rollback without ledger in the ledger."""
    return f"{_OFFLINE_KEY}/{past.pipeline}/{past.environment}/{past.id}"


def is_offline(flow_run_id: str | None) -> bool:
    """Say whether a promotion was carried out while the ledger could not be told."""
    return (flow_run_id or "").startswith(f"{_OFFLINE_KEY}/")
