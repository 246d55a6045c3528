"""Brings ledger, flow runs and hosts together again: ends what died, takes in what was done, records what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.values.drift import Difference
from flows.approvals.poll_reviews import tell_of_reviews
from flows.core.outcome import failed_state, publish, reported
from flows.core.rescue_file import refresh_rescue
from flows.core.session import Session, open_session, repository_facts
from flows.domain.drift.hosts import PROMOTION
from flows.domain.drift.reconcile import Act
from flows.domain.drift.view import reconcile_markdown
from flows.domain.rules.view import GITHUB
from flows.drift.compare import Compared, compare
from flows.drift.end_abandoned_runs import Judged, end_what_died, give_back_lease
from flows.drift.keep_rules import KeptRules, keep_rules, put_back_first
from flows.drift.reach_hosts import look_at
from flows.drift.restart_watches import continue_watch
from flows.publication.show import show, show_missed
from flows.rollback.take_in import take_in
from tasks.adapters.pool import close_all
from tasks.kernel.errors import SluiceError
from tasks.kernel.redact import process_redactor
from tasks.steps.alone import alone

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from flows.rules.put_back import PutBack
    from tasks.ledger.records import PromotionRecord

GOING_ON = "another run of reconcile is going on; its result has the differences"


@dataclass(frozen=True)
class Found:
    """What was found and done in one environment.

    Attributes:
        amiss: Why the look did not come to its end; empty where it did.
    """

    environment: str
    taken: tuple[PromotionRecord, ...] = ()
    judged: tuple[Judged, ...] = ()
    lease: str = ""
    watch: str = ""
    compared: Compared = field(default_factory=Compared)
    told: tuple[str, ...] = ()
    amiss: str = ""

    def done(self) -> list[str]:
        """Return what was done, one line each."""
        lines = [
            f"rollback {row.id} by {row.requested_by} was recorded: {row.status.value}" for row in self.taken
        ]
        lines += [f"promotion {one.row.id}: {one.decision.message}" for one in self.judged]
        return [*lines, *self.told, *(line for line in (self.lease, self.watch) if line)]


@flow(
    name="reconcile",
    flow_run_name="reconcile",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
)
def reconcile(environment: str = "", source: str = "default") -> State[Any]:
    """End promotions whose run died, record rollbacks made without the ledger, and where hosts differ from it.

    Args:
        environment: Only this environment; empty for all of them.
        source: The `git-repository` block of the application.

    Returns:
        A completed state whose message counts what was found: a difference is no failure. A failed one where
        nothing could be looked at.
    """
    # Before git, the pipeline or a host can be in the way: a rule must not stay relaxed for what is wrong elsewhere.
    put_back = put_back_first(source)
    try:
        with open_session(source, must_fetch=False) as session:
            return _look_at_all(session, environment, source, put_back)
    except SluiceError as error:
        return failed_state(reported(error))
    finally:
        close_all()


def _look_at_all(session: Session, environment: str, source: str, put_back: PutBack | None) -> State[Any]:
    """Look at the environments, unless another run does: all that a worker was too late for start when it is back."""
    pipeline = session.pipeline.pipeline
    with alone(session.settings.home / "run" / f"reconcile-{pipeline}.lock") as mine:
        if not mine:
            return Completed(message=GOING_ON)
        names = (environment,) if environment else session.pipeline.names
        found = [_look_and_mend(session, session.policy(name), source) for name in names]
        kept = None if environment else keep_rules(session, put_back)
        _publish(pipeline, found, kept)
        return Completed(message=summary(found, kept))


def _look_and_mend(session: Session, policy: Policy, source: str) -> Found:
    """Look at one environment; what goes wrong there keeps no other from being looked at."""
    try:
        return _reconciled(session, policy, source)
    except Exception as error:  # noqa: BLE001 - the other environments are looked at, whatever it is
        return Found(policy.name, amiss=f"{policy.name}: {reported(error, policy.name)}")


def _reconciled(session: Session, policy: Policy, source: str) -> Found:
    # Before the hosts are asked: people wait for it, and it needs none of them.
    told = tell_of_reviews(session, policy)
    looks, amiss = look_at(session, policy)
    # First of all: whoever rolled back without the ledger took over from what was open then.
    taken = take_in(looks)
    here = repository_facts(session.repository)
    judged = end_what_died(session.ledger, policy, looks, amiss, here)
    lease = give_back_lease(session.ledger, policy)
    watch = continue_watch(session.ledger, policy, source, here)
    _show(session, policy, [*taken, *(one.row for one in judged)])
    refresh_rescue(policy, looks)
    calls = [
        Difference("", PROMOTION, str(one.row.id), one.decision.message)
        for one in judged
        if one.decision.act is Act.CALL
    ]
    return Found(
        policy.name, taken, judged, lease, watch, compare(session, policy, looks, amiss, calls), told
    )


def _show(session: Session, policy: Policy, rows: list[PromotionRecord]) -> None:
    """Show on GitHub what was ended or taken in here, and what the runs themselves did not get to show."""
    showing = session.showing(policy)
    for row in rows:
        show(showing, row.id)
    show_missed(showing, policy.name)


def _publish(pipeline: str, found: list[Found], kept: KeptRules | None) -> None:
    done = [(one.environment, line) for one in found for line in one.done()]
    standing = [(one.environment, drift) for one in found for drift in one.compared.standing]
    left = [
        *(f"{one.environment}: {one.compared.skipped}" for one in found if one.compared.skipped),
        *(one.amiss for one in found if one.amiss),
    ]
    if kept is not None:
        done += [(GITHUB, line) for line in kept.done()]
        standing += [(GITHUB, drift) for drift in kept.compared.standing]
        left += [kept.amiss] if kept.amiss else []
    markdown = reconcile_markdown(pipeline, done, standing, left)
    publish(f"reconcile-{pipeline}", process_redactor().text(markdown), "Hosts and ledger")


def summary(found: list[Found], kept: KeptRules | None = None) -> str:
    """Return in one line what was found and done."""
    compared = [one.compared for one in found] + ([kept.compared] if kept is not None else [])
    standing = sum(len(one.standing) for one in compared)
    new = sum(len(one.new) for one in compared)
    gone = sum(len(one.gone) for one in compared)
    parts = [f"{len(found)} environments: {standing} differences ({new} new, {gone} gone)"]
    counts = {
        "promotions were ended": sum(one.decision.act is Act.END for item in found for one in item.judged),
        "runs were started again": sum(
            one.decision.act is Act.RETRY for item in found for one in item.judged
        ),
        "rollbacks were recorded": sum(len(one.taken) for one in found),
        "reviews were read by promotions": sum(len(one.told) for one in found),
        "environments could not be looked at": sum(bool(one.amiss) for one in found),
        "rules were restored": len(kept.restored) if kept is not None else 0,
    }
    parts += [f"{count} {what}" for what, count in counts.items() if count]
    parts += ["the rules on GitHub could not be looked at"] if kept is not None and kept.amiss else []
    return ", ".join(parts)
