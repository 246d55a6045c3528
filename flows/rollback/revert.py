"""After a rollback: the pull requests that revert what was left. What fails here changes nothing about the rollback."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.github import open_pull_requests
from flows.core.outcome import run_link
from flows.domain.pull_requests.revert import (
    MOST_REVERTS,
    Return,
    left_behind,
    revert_body,
    revert_title,
    too_many_body,
)
from flows.gates.entry import rules_branch
from tasks.github.pull_requests import explain_no_reverts, read_merged_pull_requests, revert_pull_request
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log

if TYPE_CHECKING:
    from blocks.values.pull_requests import PullFact
    from blocks.values.releases import Commit
    from flows.core.session import Session
    from tasks.github.pulls import GitHubPulls
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run

# A merge and its commit have their times from two clocks; which commits it made decides, not when.
_CLOCKS = timedelta(hours=1)


def revert_left(session: Session, run: Run, row: PromotionRecord) -> None:
    """Open the pull requests that revert what a rollback left, where the pipeline asks for it.

    Args:
        row: Its row, ended.
    """
    asked = session.pipeline.pull_requests.revert_after_rollback
    if row.status is not Status.SUCCEEDED or run.environment not in asked:
        return
    try:
        _revert(session, run, row)
    except SluiceError as error:
        log().warning("revert: %s", error)
    except Exception:  # noqa: BLE001 - the environment runs what it should, whatever goes wrong on GitHub
        log().warning("revert: unexpected failure", exc_info=True)


def _revert(session: Session, run: Run, row: PromotionRecord) -> None:
    commits = _left_commits(session, row)
    if not commits:
        log().info("revert: the release that was rolled back has no commits of its own")
        return
    base = rules_branch(run.policy, session.repository.default_branch)
    with closing(open_pull_requests(session.repository.github)) as opened:
        since = min(commit.committed_at for commit in commits) - _CLOCKS
        merged = read_merged_pull_requests(opened.pulls, base=base, since=since)
        left = left_behind(merged, [commit.sha for commit in commits], base)
        if not left:
            log().info("revert: no pull request brought the release that was rolled back into %s", base)
        elif len(left) > MOST_REVERTS:
            explain_no_reverts(run, opened.pulls, pull=left[0], text=too_many_body(len(left), _went(row)))
        else:
            _each(run, opened.pulls, opened.reading.repository, left, row)


def _each(
    run: Run, pulls: GitHubPulls, repository: str, left: tuple[PullFact, ...], row: PromotionRecord
) -> None:
    """Revert one after the other: that one cannot be must not keep the others."""
    went = _went(row)
    for pull in left:
        title, body = revert_title(pull.title, went), revert_body(repository, pull.number, went)
        try:
            revert_pull_request(run, pulls, target=f"#{pull.number}", pull=pull, title=title, body=body)
        except SluiceError as error:
            log().warning("revert: %s", error)


def _left_commits(session: Session, row: PromotionRecord) -> list[Commit]:
    """Return what the release that was left has, and the one that runs again has not."""
    releases = session.ledger.releases
    left = releases.get(row.previous_release_id) if row.previous_release_id else None
    runs = releases.get(row.release_id) if row.release_id else None
    if left is None or runs is None or not session.mirror.has_commit(runs.commit.sha):
        return []
    return session.mirror.commits_between(left.commit.sha, runs.commit.sha)[1]


def _went(row: PromotionRecord) -> Return:
    return Return(
        promotion=row.id,
        environment=row.environment,
        left=row.previous_release_id or "",
        back_to=row.release_id or "",
        cause=row.cause,
        asked_by=row.requested_by,
        link=run_link(row.flow_run_id),
    )
