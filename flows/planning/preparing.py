"""What a promotion finds out before its plan: gates that need no images, the hosts' state, the release itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.futures import wait

from flows.changing.readiness import begin_preflights
from flows.changing.work import Work
from flows.domain.compose_facts import published_ports
from flows.domain.gates import refusal
from flows.planning.describing import describe_commit
from flows.planning.entry import decide_entry
from flows.planning.gating import ask_gates, known_release, unbuilt_release
from flows.planning.plan import migrates_or_backs_up, reading_hosts
from flows.planning.releasing import make_release
from tasks.errors import RefusedError
from tasks.run import utc_now
from tasks.sources import check_out

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from blocks.values.receipts import StepReceipt
    from blocks.values.resolved import Resolved
    from flows.conduct import Request
    from flows.session import Session
    from tasks.run import Run


def prepare_work(
    session: Session, run: Run, request: Request, resolved: Resolved, *, checks: bool
) -> tuple[Work, list[PrefectFuture[StepReceipt]]]:
    """Ask what can be asked before a build, then build; read and check the hosts meanwhile.

    Args:
        session: The flow's session.
        run: The promotion.
        request: What was asked for.
        resolved: The commit.
        checks: True to check the hosts as well, so that nobody is asked about what a host refuses.

    Returns:
        What is known, and the checks of the hosts, begun; `raise_first` waits for them.

    Raises:
        RefusedError: A gate is closed, nobody is named as the requester, or the policy takes no backup.
        TerminalError: The build or the push failed.
        TransientError: A host or the registry does not answer.
    """
    release = known_release(session, run.policy, resolved)
    subject = release or unbuilt_release(run.policy, resolved)
    asked = ask_gates(session, run.policy, resolved, subject)
    early = decide_entry(session, run, request, resolved, subject.id, asked)
    # Without its images a release cannot be compared with what ran upstream; only a build proves nothing.
    closed = refusal(early, run.environment)
    if closed is not None:
        raise closed
    _check_requester(run, request)
    _check_backup(run)
    with reading_hosts(run) as facts:
        described = describe_commit(run.mirror, run.description, resolved.commit.sha)
        sources = check_out(run, described=described, with_bake=release is None)
        ports = frozenset(port.port for port in published_ports(sources.config) if port.protocol == "tcp")
        hosts = facts()
        backup = migrates_or_backs_up(run, hosts[run.primary])
        checking = begin_preflights(run, hosts, ports=ports, backup=backup) if checks else []
        try:
            release = release or make_release(run, resolved, sources)
        except BaseException:
            wait(checking)
            raise
        run.ledger.promotions.set_release(run.promotion_id, release.id, utc_now())
        return Work(run, request, resolved, release, sources, hosts), checking


def _check_requester(run: Run, request: Request) -> None:
    policy = run.policy.approvals
    if policy is not None and policy.not_requester and not request.requested_by.strip():
        raise RefusedError(
            f"{run.environment} does not let the requester approve, and nobody is named as the requester",
            "start it again with `requested_by`, or set approvals.not_requester to false in pipeline.yaml",
        )


def _check_backup(run: Run) -> None:
    """Refuse a commit that brings a migration where the default branch's policy takes no backup."""
    if run.description.migration is not None and run.policy.backup is None:
        raise RefusedError(
            f"the release migrates, and the policy of {run.environment} takes no backup",
            "add `backup` to pipeline.yaml on the default branch",
        )
