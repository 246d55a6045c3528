"""What a promotion finds out before its plan: gates that need no images, the hosts' state, the release itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
from tasks.database.render import brings_revisions
from tasks.images.sources import check_out
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from prefect.futures import PrefectFuture

    from blocks.values.facts import HostFacts
    from blocks.values.plans import GateAnswer
    from blocks.values.receipts import StepReceipt
    from blocks.values.releases import Release, Revision
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from flows.runs.conduct import Request
    from tasks.images.sources import Sources
    from tasks.steps.run import Run


@dataclass(frozen=True)
class Prepared:
    """What a promotion knows before it decides.

    Attributes:
        checking: The checks of the hosts, begun; none where they were not asked for.
        checked_at: When they were begun, UTC.
        asks: True where people are asked, or a rehearsal takes its time, before anything is begun: the lease is free
            meanwhile, since somebody may have to go back.
        lists_on_host: True where the new image lists its migrations once it is on the first host, not before.
    """

    run: Run
    request: Request
    resolved: Resolved
    pending: PendingRelease
    sources: Sources
    hosts: Mapping[str, HostFacts]
    checking: Sequence[PrefectFuture[StepReceipt]] = ()
    checked_at: datetime = field(default_factory=utc_now)
    asks: bool = False
    lists_on_host: bool = False

    @property
    def release(self) -> Release:
        """The release once its images are in the registry: all of it once `finish` has waited for it."""
        return self.pending.release

    @property
    def ports(self) -> frozenset[int]:
        """The TCP ports the release publishes."""
        return tcp_ports(self.sources.config)

    def finish(self, listed: Callable[[], tuple[Revision, ...] | None] = lambda: None) -> Prepared:
        """Wait until all of the release is known; record it, and that it is this promotion's.

        Args:
            listed: What waits for the migrations that the image lists on the first host; None where it does not.
        """
        release = self.pending.finish(listed)
        self.run.ledger.promotions.set_release(self.run.promotion_id, release.id, utc_now())
        return replace(self, pending=PendingRelease.recorded(self.run, release))

    def settle(self) -> None:
        """Wait for all that was begun, whatever becomes of it: nothing outlives its flow."""
        wait(list(self.checking))
        self.pending.settle()


def prepare_release(
    session: Session, run: Run, request: Request, resolved: Resolved, *, checks: bool
) -> Prepared:
    """Ask what can be asked before a build, then build; read and check the hosts meanwhile.

    Args:
        checks: True to check the hosts as well, so that nobody is asked about what a host refuses; `raise_first` waits
            for these checks.
    """
    asks = run.policy.approvals is not None or run.policy.database.rehearse
    release = known_release(session, run.policy, resolved)
    subject = release or unbuilt_release(run.policy, resolved)
    answers = ask_gates(session, run.policy, resolved, subject)
    # Without its images a release cannot be compared with what ran upstream; only a build proves nothing.
    refuse_closed(run, decide_entry(session, run, request, resolved, subject.id, answers))
    _check_requester(run, request)
    _check_backup(run)
    with reading_hosts(run) as facts:
        described = describe_commit(run.mirror, run.description, resolved.commit.sha)
        sources = check_out(run, described=described, with_bake=release is None)
        hosts = facts()
        refuse_closed(run, ask_data_gate(run.policy, hosts, subject.id))
        ports = tcp_ports(sources.config)
        backup = migrates_or_backs_up(run, hosts[run.primary])
        checked_at = utc_now()
        checking = begin_preflights(run, hosts, run.hosts if checks else (), ports=ports, backup=backup)
        try:
            lists_on_host = (
                release is None and not asks and _seems_to_migrate(run, hosts[run.primary], sources)
            )
            pending = (
                PendingRelease.recorded(run, release)
                if release
                else begin_release(run, resolved, sources, lists=not lists_on_host)
            )
        except BaseException:
            wait(checking)
            raise
        return Prepared(
            run, request, resolved, pending, sources, hosts, checking, checked_at, asks, lists_on_host
        )


def refuse_closed(run: Run, answers: tuple[GateAnswer, ...]) -> None:
    """Raise one error that names every gate that is closed."""
    closed = refusal(answers, run.environment)
    if closed is not None:
        raise closed


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
    if run.description.migration is not None and run.policy.backup is None:
        raise RefusedError(
            f"the release has a migration, and the policy of {run.environment} takes no backup",
            "add `backup` to pipeline.yaml on the default branch",
        )
