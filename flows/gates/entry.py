"""Whether the gates of `gates:` let a release in: GitHub, the tags and the clock are asked, and waited for."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from blocks.values.lifecycle import ENDED, LIVE
from flows.core.github import open_github
from flows.domain.gates.entry import EntryFacts, Unread, entry_answers, next_look
from flows.domain.gates.hotfix import hotfix_answer, is_hotfix
from flows.domain.gates.schedule import Arrival
from flows.gates.ask import ref_facts
from tasks.github.github_facts import read_github
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError, SluiceError, TransientError
from tasks.steps.step import log

if TYPE_CHECKING:
    from datetime import datetime

    from blocks.pipeline import Policy
    from blocks.values.github import GitHubFacts
    from blocks.values.plans import GateAnswer
    from blocks.values.resolved import Resolved
    from flows.core.session import Session
    from flows.runs.conduct import Request
    from tasks.steps.run import Run

# As far back as a release's stay in the environment before is looked for.
_MOST_ROWS = 500


def rules_branch(policy: Policy, default_branch: str) -> str:
    """Return the branch whose rules on GitHub count for an environment.

    Returns:
        The one the commit must be reachable from; else the one the environment takes; else the default branch.
    """
    return policy.gates.reachable_from or policy.branch or default_branch


def ask_entry(
    session: Session,
    policy: Policy,
    resolved: Resolved,
    release_id: str,
    *,
    freeze_override: str = "",
    since: datetime | None = None,
) -> tuple[GateAnswer, ...]:
    """Ask the gates of `gates:` once."""
    now = utc_now()
    running = session.ledger.promotions.running(policy.pipeline, policy.name)
    facts = EntryFacts(
        gates=policy.gates,
        ref=ref_facts(resolved),
        release_id=release_id,
        now=now,
        waited_seconds=(now - (since or now)).total_seconds(),
        running=running.release_id if running is not None else None,
        upstream=policy.proven_in,
        freeze_override=freeze_override,
        approvers=len(policy.approvals.approvers) if policy.approvals is not None else 0,
    )
    if facts.running == release_id:
        return ()
    github, unread = _read(session, policy, resolved) if policy.gates.asks_github else (None, None)
    hotfix = is_hotfix(session.policy(policy.name), facts.ref)
    said = (hotfix_answer(policy),) if hotfix else ()
    return said + entry_answers(
        facts.model_copy(
            update={
                "github": github,
                "unread": unread,
                "running_tags": _tags(session, facts.running) if policy.gates.version else (),
                "arrivals": _arrivals(session, policy) if policy.gates.soak else (),
            }
        )
    )


class UndecidedError(Exception):
    """A gate has not decided yet, and whoever asked holds what others may need meanwhile."""


def decide_entry(
    session: Session,
    run: Run,
    request: Request,
    resolved: Resolved,
    release_id: str,
    others: tuple[GateAnswer, ...],
    *,
    waits: bool = True,
) -> tuple[GateAnswer, ...]:
    """Ask the gates of `gates:` until all have decided, or the time to wait is over.

    Args:
        others: What the other gates said; where one of them is closed nothing is waited for.

    Raises:
        RefusedError: The promotion ended while it waited: another took its place.
    """
    since = utc_now()
    while True:
        entry = ask_entry(
            session, run.policy, resolved, release_id, freeze_override=request.freeze_override, since=since
        )
        now = utc_now()
        waited = (now - since).total_seconds()
        look = next_look((*others, *entry), run.policy.gates, waited_seconds=waited, now=now)
        if look.pause_seconds is None:
            return look.answers
        if not waits:
            raise UndecidedError
        waiting = "; ".join(f"{answer.gate}: {answer.reason}" for answer in entry if answer.waiting)
        log().info(
            "%s is not open yet, looking again in %.0f s: %s", run.environment, look.pause_seconds, waiting
        )
        _pause(run, look.pause_seconds)


def _pause(run: Run, seconds: float) -> None:
    """Wait in short naps: a promotion whose place another took does not wait on."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, run.policy.gates.every))
        row = run.ledger.promotions.get(run.promotion_id)
        if row is not None and row.status in ENDED:
            raise RefusedError(row.message or f"promotion {run.promotion_id} ended", "nothing was touched")


def _read(session: Session, policy: Policy, resolved: Resolved) -> tuple[GitHubFacts | None, Unread | None]:
    """Read GitHub; what stands in the way closes the gates that needed it, and the others still answer."""
    repository = session.repository
    branch = rules_branch(policy, repository.default_branch)
    try:
        with closing(open_github(repository.github)) as github:
            return read_github(github, sha=resolved.commit.sha, branch=branch, gates=policy.gates), None
    except SluiceError as error:
        log().warning("%s", error)
        return None, Unread(reason=str(error), curable=isinstance(error, TransientError))


def _tags(session: Session, release_id: str | None) -> tuple[str, ...]:
    release = session.ledger.releases.get(release_id) if release_id else None
    # A commit that is no longer in the repository has no tags.
    return tuple(session.mirror.tags_at(release.commit.sha)) if release is not None else ()


def _arrivals(session: Session, policy: Policy) -> tuple[Arrival, ...]:
    if policy.proven_in is None:
        return ()
    rows = session.ledger.promotions.history(policy.pipeline, policy.proven_in, limit=_MOST_ROWS)
    return tuple(
        Arrival(release_id=row.release_id, at=row.ended_at)
        for row in rows
        if row.status in LIVE and row.release_id is not None and row.ended_at is not None
    )
