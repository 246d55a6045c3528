"""Asking people before a dump takes the live database's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.approvals.authors import authors_of
from flows.approvals.quorum import ask_until_quorum
from flows.domain.rollback.evidence import as_revisions
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.steps.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.plans import Plan
    from flows.runs.conduct import Request
    from tasks.ledger.records import PromotionRecord


def refuse_unaskable(run: Run, request: Request) -> None:
    """Refuse a restore that nobody could approve, before anything is looked at."""
    policy = run.policy.approvals
    if policy is None:
        raise RefusedError(
            f"a restore over live data needs approvals, and {run.environment} names no approvers",
            "add approvals to pipeline.yaml on the default branch",
        )
    if policy.not_requester and not request.requested_by.strip():
        raise RefusedError(
            f"{run.environment} does not let the requester approve, and no requester is named",
            "start it again with `requested_by`, or set approvals.not_requester to false in pipeline.yaml",
        )


def refuse_unasked(run: Run, row: PromotionRecord) -> None:
    """Refuse to go another way than people were asked about, where they were asked.

    Args:
        row: Its row from before it was planned anew.
    """
    if row.plan is not None and row.plan.approvals_required:
        raise RefusedError(
            f"the policy of {run.environment} changed while people were asked: no restore is needed any more",
            "nothing was touched; start the rollback again",
        )


def ask_for_restore(run: Run, request: Request, plan: Plan) -> bool:
    """Ask until enough people agree, somebody says no, or the time is up.

    Args:
        plan: The plan with the dump and what is lost.

    Returns:
        True when they agreed; otherwise the promotion has ended, and says why.
    """
    authors = authors_of(run.mirror, run.ledger, plan)
    answer = ask_until_quorum(run, plan, authors=authors, requester=request.requested_by)
    if answer is Status.APPROVED:
        if not plan.approvals_required:
            raise RuntimeError("a restore nobody was asked about")
        return True
    line = "the approvals did not come in time" if answer is Status.EXPIRED else f"rejected: {_no(run, plan)}"
    run.ledger.promotions.move(run.promotion_id, answer, now=utc_now(), message=line)
    return False


def _no(run: Run, plan: Plan) -> str:
    said = run.ledger.approvals.of(run.promotion_id, plan.hash)
    return "; ".join(
        f"{one.approver}: {one.reason}" for one in said if one.counted and one.decision == "reject"
    )


def same_ground(run: Run, plan: Plan, hosts: Mapping[str, HostFacts]) -> None:
    """See that what people agreed to is still what would be done.

    Args:
        run: The rollback, holding the lease.
        plan: The plan they agreed to.
    """
    primary = hosts[run.primary]
    runs = primary.manifest.release.id if primary.manifest else None
    same = runs == plan.running_release_id and as_revisions(primary.revision) == as_revisions(plan.revision)
    if not same or run.policy.checksum != plan.policy_checksum:
        raise RefusedError(
            f"{run.environment} or its policy changed while people were asked",
            "nothing was touched; start the rollback again",
        )
