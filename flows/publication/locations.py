"""Where a change is: what the ledger says of every environment, and git of every release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import LIVE, Kind, Status
from flows.domain.approvals.quorum import deadline, quorum
from flows.domain.approvals.reviews import mark_line
from flows.domain.approvals.values import policy_of
from flows.domain.publication.comment import Ask, Attempt, RunningIn
from flows.domain.publication.states import shown_address
from flows.publication.promotion_view import page_of, plan_of
from tasks.kernel.clock import utc_now

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.publication import Showing

_MOST_ROWS = 50
# A plan is of interest until it is carried out or given up.
_PLANNED = frozenset({Status.WAITING, Status.APPROVED, Status.RUNNING, Status.RESTORING})


class CommitLocations:
    """Answers where a change is; what it read once it does not read again."""

    def __init__(self, showing: Showing) -> None:
        self._showing = showing
        self._holds: dict[tuple[str, str], bool] = {}
        self._histories: dict[str, list[PromotionRecord]] = {}

    def of(self, sha: str) -> tuple[tuple[RunningIn, ...], tuple[Attempt, ...]]:
        """Find a change in every environment.

        Returns:
            Where it runs, and what was last tried with it where that is not simply what runs.
        """
        known = [(policy, self._history(policy)) for policy in self._showing.policies.values()]
        stays = (self._stay(policy, history, sha) for policy, history in known)
        attempts = (self._attempt(policy, history, sha) for policy, history in known)
        return tuple(filter(None, stays)), tuple(filter(None, attempts))

    def _history(self, policy: Policy) -> list[PromotionRecord]:
        if policy.name not in self._histories:
            self._histories[policy.name] = self._showing.ledger.promotions.history(
                policy.pipeline, policy.name, limit=_MOST_ROWS
            )
        return self._histories[policy.name]

    def _stay(self, policy: Policy, history: list[PromotionRecord], sha: str) -> RunningIn | None:
        """Return since when it runs without a gap, by the promotion that brought what runs."""
        ended = [(row.ended_at, row.id, row) for row in history if row.status in LIVE and row.ended_at]
        lives = [row for _, _, row in sorted(ended, key=lambda one: one[:2], reverse=True)]
        held: list[PromotionRecord] = []
        for row in lives:
            if not self._has(row.release_id, sha):
                break
            held.append(row)
        if not held or held[-1].ended_at is None:
            return None
        return RunningIn(
            environment=policy.name,
            address=shown_address(policy.address),
            release_id=held[0].release_id or "",
            since=held[-1].ended_at,
            promotion=held[0].id,
            run=page_of(held[0]),
        )

    def _attempt(self, policy: Policy, history: list[PromotionRecord], sha: str) -> Attempt | None:
        """Return the last promotion it was part of, unless that one's release simply runs.

        One that waits for people or changes something comes first: what was refused since took nobody's place.
        """
        for row in sorted(history, key=lambda one: one.status not in _PLANNED):
            if row.status is Status.UNCHANGED:
                continue
            comes = self._has(row.release_id, sha)
            if not comes and not (row.kind is Kind.ROLLBACK and self._has(row.previous_release_id, sha)):
                continue
            return None if row.status in LIVE and comes else self._told(policy, row)
        return None

    def _told(self, policy: Policy, row: PromotionRecord) -> Attempt:
        return Attempt(
            environment=row.environment,
            kind=row.kind,
            status=row.status,
            message=row.message,
            release_id=row.release_id or "",
            at=row.updated_at,
            promotion=row.id,
            run=page_of(row),
            plan=plan_of(row) if row.status in _PLANNED else None,
            ask=self._ask(policy, row),
        )

    def _ask(self, policy: Policy, row: PromotionRecord) -> Ask | None:
        plan = plan_of(row)
        if row.status is not Status.WAITING or policy.approvals is None or plan is None:
            return None
        rules = policy_of(policy.approvals, plan.approvals_required)
        state = quorum(rules, plan.hash, self._showing.ledger.approvals.of(row.id), now=utc_now())
        # On the way back nobody reviews: there is no change to look at.
        by_review = policy.approvals.reviews and plan.going_back is None
        return Ask(
            have=state.have,
            need=state.need,
            missing=state.missing,
            until=deadline(row.created_at, rules),
            review=mark_line(policy.name, plan.hash) if by_review else "",
        )

    def _has(self, release_id: str | None, sha: str) -> bool:
        if release_id is None:
            return False
        if (release_id, sha) not in self._holds:
            release = self._showing.ledger.releases.get(release_id)
            self._holds[release_id, sha] = release is not None and self._showing.mirror.holds(
                release.commit.sha, sha
            )
        return self._holds[release_id, sha]
