"""What a promotion finds out before its plan: gates that need no images, the hosts' state, the release itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.futures import wait

from flows.core.describe import describe_commit
from flows.domain.compose.facts import tcp_ports
from flows.domain.gates.gates import refusal
from flows.gates.ask import ask_gates, known_release, unbuilt_release
from flows.gates.entry import decide_entry
from flows.promotion.pending_release import PendingRelease, begin_release
from flows.promotion.plan import migrates_or_backs_up, reading_hosts
from flows.promotion.preflights import begin_preflights
from flows.promotion.release_data import ask_data_gate
from flows.promotion.work import Work
from tasks.database.render import brings_revisions
from tasks.images.sources import check_out
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from prefect.futures import PrefectFuture

    from blocks.values.facts import HostFacts
    from blocks.values.receipts import StepReceipt
    from blocks.values.releases import Revision
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from flows.runs.conduct import Request
    from tasks.images.sources import Sources
    from tasks.steps.run import Run


@dataclass(frozen=True)
class Prepared:
    """What a promotion knows before its plan.

    Attributes:
        run: Its live side.
        request: What was asked for.
        resolved: The commit.
        coming: The release, on its way.
        sources: Its files.
        hosts: The hosts' facts.
        checking: The checks of the hosts, begun; none where they were not asked for.
        checked_at: When they were begun, UTC.
        asks: True where people are asked, or a rehearsal takes its time, before anything is begun: the lease is free
            meanwhile, since somebody may have to go back.
        tells: True where the new image is asked for its migrations once it is on the first host, not before.
    """

    run: Run
    request: Request
    resolved: Resolved
    coming: PendingRelease
    sources: Sources
    hosts: Mapping[str, HostFacts]
    checking: list[PrefectFuture[StepReceipt]]
    checked_at: datetime
    asks: bool = False
    tells: bool = False

    @property
    def ports(self) -> frozenset[int]:
        """The TCP ports the release publishes."""
        return tcp_ports(self.sources.config)

    def work(self, told: Callable[[], tuple[Revision, ...] | None] = lambda: None) -> Work:
        """Wait until the release is known whole; record it and that it is this promotion's.

        Args:
            told: What waits for its migrations where the image tells them on the first host; None where it did not.

        Raises:
            TerminalError: A push failed, or the image cannot tell its migrations.
        """
        release = self.coming.whole(told)
        self.run.ledger.promotions.set_release(self.run.promotion_id, release.id, utc_now())
        return Work(self.run, self.request, self.resolved, release, self.sources, self.hosts)

    def settle(self) -> None:
        """Wait for all that was begun, whatever becomes of it: nothing outlives its flow."""
        wait(self.checking)
        self.coming.settle()


def prepare_work(
    session: Session, run: Run, request: Request, resolved: Resolved, *, checks: bool
) -> Prepared:
    """Ask what can be asked before a build, then build; read and check the hosts meanwhile.

    Args:
        checks: True to check the hosts as well, so that nobody is asked about what a host refuses.

    Returns:
        What is known, the checks of the hosts begun; `raise_first` waits for them.

    Raises:
        RefusedError: A gate is closed, nobody is named as the requester, or the policy takes no backup.
        TerminalError: The build failed.
        TransientError: A host or the registry does not answer.
    """
    asks = run.policy.approvals is not None or run.policy.database.rehearse
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
        hosts = facts()
        closed = refusal(ask_data_gate(run.policy, hosts, subject.id), run.environment)
        if closed is not None:
            raise closed
        ports = tcp_ports(sources.config)
        backup = migrates_or_backs_up(run, hosts[run.primary])
        names = run.hosts if checks else ()
        checked_at = utc_now()
        checking = begin_preflights(run, hosts, names, ports=ports, backup=backup)
        try:
            tells = release is None and not asks and _seems_to_migrate(run, hosts[run.primary], sources)
            coming = (
                PendingRelease.recorded(run, release)
                if release
                else begin_release(run, resolved, sources, lists=not tells)
            )
        except BaseException:
            wait(checking)
            raise
        return Prepared(run, request, resolved, coming, sources, hosts, checking, checked_at, asks, tells)


def _seems_to_migrate(run: Run, facts: HostFacts, sources: Sources) -> bool:
    """Say whether a commit seems to bring Alembic migrations to a database that has some already."""
    migration = run.description.migration
    if migration is None or migration.alembic is None or facts.manifest is None or facts.revision is None:
        return False
    changed = run.mirror.changed(facts.manifest.release.commit.sha, sources.described.sha)
    return brings_revisions(sources.source, changed)


def _check_requester(run: Run, request: Request) -> None:
    policy = run.policy.approvals
    if policy is not None and policy.not_requester and not request.requested_by.strip():
        raise RefusedError(
            f"{run.environment} does not let the requester approve, and no requester is named",
            "start it again with `requested_by`, or set approvals.not_requester to false in pipeline.yaml",
        )


def _check_backup(run: Run) -> None:
    """Refuse a commit that brings a migration where the default branch's policy takes no backup."""
    if run.description.migration is not None and run.policy.backup is None:
        raise RefusedError(
            f"the release has a migration, and the policy of {run.environment} takes no backup",
            "add `backup` to pipeline.yaml on the default branch",
        )
