"""Which release a rollback goes back to."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from blocks.values.base import Value
from blocks.values.lifecycle import Status
from flows.domain.words.text import one_line

_GOOD = frozenset({Status.SUCCEEDED, Status.UNCHANGED})
_COMMIT = re.compile(r"[0-9a-f]{4,40}")
_MOST_NAMED = 5


class PastPromotion(Value):
    """One earlier promotion here."""

    release_id: str
    commit: str
    status: Status
    ended_at: datetime


class RollbackDecision(Value):
    """Where a rollback goes.

    Attributes:
        refused_reason: Why not, and what to do; empty where it may go on.
    """

    release_id: str | None = None
    refused_reason: str = ""


def choose_target(
    wanted: str,
    history: Sequence[PastPromotion],
    *,
    environment: str,
    running_release_id: str | None,
    held: Collection[str] = (),
) -> RollbackDecision:
    """Choose the release a rollback goes back to.

    Args:
        wanted: A release id, or the first digits (4 or more) of its commit; empty for the last good one.
        held: Releases that are held here: a second rollback must not return to what the first one left.
    """
    good = _last_good(history)
    if wanted.strip():
        return _named(wanted.strip(), good, environment, running_release_id, held)
    for release in good:
        if release != running_release_id and release not in held:
            return RollbackDecision(release_id=release)
    return _refused(f"no earlier good release is known in {environment} — promote one")


def _refused(reason: str) -> RollbackDecision:
    return RollbackDecision(refused_reason=reason)


def _last_good(history: Sequence[PastPromotion]) -> dict[str, PastPromotion]:
    newest_first = sorted(history, key=lambda promotion: promotion.ended_at, reverse=True)
    good: dict[str, PastPromotion] = {}
    for promotion in newest_first:
        if promotion.status in _GOOD:
            good.setdefault(promotion.release_id, promotion)
    return good


def _named(
    wanted: str,
    good: dict[str, PastPromotion],
    environment: str,
    running: str | None,
    held: Collection[str],
) -> RollbackDecision:
    found = _matching(wanted, good)
    if len(found) > 1:
        names = ", ".join(promotion.release_id for promotion in found[:_MOST_NAMED])
        return _refused(f"{one_line(wanted)!r} may be any of {names} — give more digits")
    if not found:
        names = ", ".join(list(good)[:_MOST_NAMED]) or "none"
        reason = f"{one_line(wanted)!r} has not succeeded in {environment} before"
        return _refused(f"{reason} — those that have, newest first: {names}")
    release = found[0].release_id
    if release == running:
        return _refused(f"{release} is what runs in {environment} now — nothing to do")
    if release in held:
        return _refused(
            f"{release} is on hold in {environment} — `sluice unhold {environment} --reason …` first"
        )
    return RollbackDecision(release_id=release)


def _matching(wanted: str, good: dict[str, PastPromotion]) -> list[PastPromotion]:
    if wanted in good:
        return [good[wanted]]
    if not _COMMIT.fullmatch(wanted.lower()):
        return []
    return [promotion for promotion in good.values() if promotion.commit.startswith(wanted.lower())]
