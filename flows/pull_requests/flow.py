"""Looks after the pull requests of a branch: opens those the pipeline asks for, and lets merge those it allows to."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.values.deliveries import MISSED
from blocks.values.pull_requests import BY_RULE, Push
from flows.core.github import open_pull_requests
from flows.core.outcome import failed_state, reported
from flows.core.session import Session, open_session
from flows.domain.pull_requests.merge import MergeContext, asked_about, heard_of, may_merge, since_made
from flows.domain.pull_requests.open import rules_for, wanted_pull
from flows.domain.pull_requests.text import body_of
from flows.domain.words.text import one_line
from flows.runs.conduct import rename_run
from tasks.git.refs import BRANCHES
from tasks.github.pull_requests import let_merge, open_pull_request, read_pull_request, take_back_merge
from tasks.github.read import GitHubApi
from tasks.kernel.poll import poll
from tasks.kernel.redact import process_redactor
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks.values.pull_requests import PullFact, PullReceipt
    from tasks.github.pulls import GitHubPulls

# GitHub may tell of a pull request before it tells of the push it comes from.
PUSH_SECONDS = 30.0
_LOOK_SECONDS = 2.0
_APPROVAL = f"""{BY_RULE}
Approved by the pipeline's rule for this author and these paths (`pull_requests.auto_merge`). Nobody has read it."""


@flow(name="tend", flow_run_name="tend {branch}", persist_result=False)
def tend(branch: str, source: str = "default", requested_by: str = "") -> State[Any]:
    """Open the pull requests that a branch needs, and judge those that are open from it.

    A second run of the same branch finds everything done. Nothing is ever merged towards a guarded environment: a
    pipeline that asks for it is refused.

    Args:
        branch: The branch that was pushed, or that a pull request comes from.
        source: The `git-repository` block of the application.
        requested_by: The login of who pushed it.

    Returns:
        A completed state with what was done, or a failed one with one line.
    """
    try:
        with open_session(source) as session:
            rename_run(f"tend {session.pipeline.pipeline} {one_line(branch, 60)}")
            return _tended(session, branch, requested_by)
    except Exception as error:  # noqa: BLE001 - a person is told in one line, whatever it is
        return failed_state(reported(error))


def _tended(session: Session, branch: str, requested_by: str) -> State[Any]:
    section = session.pipeline.pull_requests
    opened = rules_for(branch, section.open)
    if not opened and not section.auto_merge:
        return Completed(message=f"the pipeline has no rule for {one_line(branch)}")
    if f"{BRANCHES}{branch}" not in session.mirror.heads():
        return Completed(message=f"{one_line(branch)} is not in the repository any more")
    with closing(open_pull_requests(session.repository.github)) as opening:
        pulls, github = opening.pulls, opening.reading
        done = [*_open(session, pulls, branch, requested_by)]
        if section.auto_merge:
            done += [*_judge(session, pulls, github, branch)]
    text = process_redactor().text("; ".join(one.text for one in done))
    return Completed(message=text or f"{one_line(branch)} has no open pull request")


def _open(session: Session, pulls: GitHubPulls, branch: str, requested_by: str) -> Iterator[PullReceipt]:
    heads = session.mirror.heads()
    for rule in rules_for(branch, session.pipeline.pull_requests.open):
        base = heads.get(f"{BRANCHES}{rule.into}")
        if base is None:
            log().warning("there is no branch %s to merge %s into", one_line(rule.into), one_line(branch))
            continue
        coming = session.mirror.commits_between(base, heads[f"{BRANCHES}{branch}"])[0]
        wanted = wanted_pull(branch, rule, coming, requested_by)
        if wanted is not None:
            yield open_pull_request(pulls, **wanted.model_dump())


def _judge(session: Session, pulls: GitHubPulls, github: GitHubApi, branch: str) -> Iterator[PullReceipt]:
    ground = MergeContext(
        repository=github.repository,
        pipeline_path=session.repository.pipeline_path,
        rules=session.pipeline.pull_requests.auto_merge,
    )
    for found in pulls.open_pulls(head=branch):
        pull = pulls.pull(found.number)
        refusal = asked_about(pull, ground)
        if not refusal:
            content = read_pull_request(
                pulls, github, pull=pull, pushes=_pushes(session, ground.repository, pull)
            )
            verdict = may_merge(content, ground)
            if verdict.rule is not None:
                approval = body_of(_APPROVAL) if verdict.rule.approve else None
                yield let_merge(pulls, pull=pull, method=verdict.rule.method, approval=approval)
                continue
            refusal = verdict.reason
        yield take_back_merge(pulls, pull=pull, reason=refusal)


def _pushes(session: Session, repository: str, pull: PullFact) -> tuple[Push, ...]:
    """Return who pushed the branch; where nobody told of its head yet, wait for it a little."""

    def look() -> tuple[Push, ...]:
        rows = session.ledger.deliveries.pushes_to(repository, f"{BRANCHES}{pull.head_branch}")
        return since_made(
            [Push(sender="" if row.event == MISSED else row.sender, sha=row.sha) for row in rows]
        )

    return poll(look, partial(heard_of, pull.head), seconds=PUSH_SECONDS, every=_LOOK_SECONDS)
