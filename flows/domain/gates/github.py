"""The gates GitHub answers: are the commit's checks green, was it reviewed, is its branch protected?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from blocks.values.github import CheckFact, ProtectionFact, PullRequestFact, RequiredCheck, ReviewFact
from blocks.values.plans import GateAnswer
from blocks.values.pull_requests import BY_RULE
from flows.domain.gates.answer import closed, opened
from flows.domain.words.text import one_line

CHECKS, REVIEWS, PROTECTION = "checks", "reviews", "protection"

# GitHub lets these through where a check is required.
GREEN = frozenset({"success", "neutral", "skipped"})
_PENDING = "pending"
_MISSING = "missing"
# Between a push and the first word of its checks a few seconds pass; what is silent for longer does not exist.
APPEARS_WITHIN_SECONDS = 120.0
# The statuses Sluice itself sets: they end when the promotion does, which would wait for them.
OWN_STATUSES = "sluice/"
# Other reviews say nothing about whether the change may go on.
_DECISIVE = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
_NEVER = datetime.max.replace(tzinfo=UTC)


class _Verdict(NamedTuple):
    name: str
    state: str
    link: str


def checks_green(
    required: Sequence[RequiredCheck], found: Sequence[CheckFact], *, waited_seconds: float, link: str = ""
) -> GateAnswer:
    """Say whether every required check is green; others do not matter.

    Where a status and a check run have the required name, both must be green, as on GitHub. Of several attempts the
    newest counts. What is missing is not green.
    """
    if not required:
        return closed(
            CHECKS, "no check is required: name some under gates.checks, or require some on GitHub", link
        )
    verdicts = [verdict for check in required for verdict in _verdicts(check, found)]
    red = [one for one in verdicts if one.state not in {*GREEN, _PENDING, _MISSING}]
    late = [one for one in verdicts if one.state == _PENDING]
    absent = [one for one in verdicts if one.state == _MISSING]
    said = [f"{_named(one)} ended with {one_line(one.state)}" for one in red]
    said += [f"{_named(one)} has not ended" for one in late]
    said += [f"{_named(one)} is missing" for one in absent]
    if not said:
        return opened(CHECKS, f"green: {', '.join(_named(one) for one in verdicts)}", link)
    # A job that others must end for is made when they have: while anything runs, what is missing may still come.
    runs = any(
        check.state == _PENDING and not (check.kind == "status" and check.name.startswith(OWN_STATUSES))
        for check in found
    )
    comes = not absent or runs or waited_seconds < APPEARS_WITHIN_SECONDS
    first = (red or late or absent)[0].link or link
    mend = "" if not red else ": fix it, or run the check again"
    if not red and not comes:
        mend = ": correct its name under gates.checks, or let it run on this commit"
    return closed(CHECKS, "; ".join(said) + mend, first, waiting=not red and comes)


def _verdicts(required: RequiredCheck, found: Iterable[CheckFact]) -> list[_Verdict]:
    """Return what the newest status and the newest check run of a name say, or that there is neither."""
    newest: dict[str, CheckFact] = {}
    for check in found:
        fits = check.name == required.name and required.app_id in {None, check.app_id}
        if fits and (check.kind not in newest or check.number > newest[check.kind].number):
            newest[check.kind] = check
    told = [_Verdict(required.name, check.state, check.link) for _, check in sorted(newest.items())]
    return told or [_Verdict(required.name, _MISSING, "")]


def _named(verdict: _Verdict) -> str:
    return one_line(verdict.name, 60)


def brought_by(pulls: Iterable[PullRequestFact], sha: str) -> PullRequestFact | None:
    """Return the pull request that brought a commit, as it was reviewed.

    A commit inside of a pull request was not: reviewers see what all of its commits change together.

    Returns:
        The one whose merge made it; else the merged one whose head it is, the first of several; else an open one
        whose head it is. None where there is none.
    """
    ordered = sorted(pulls, key=lambda pull: (pull.merged_at is None, pull.merged_at or _NEVER, pull.number))
    made = [pull for pull in ordered if pull.merged_at and pull.merge_commit == sha]
    headed = [pull for pull in ordered if pull.head == sha]
    return next(iter([*made, *headed]), None)


def reviewed(pulls: Sequence[PullRequestFact], sha: str, required: int, *, link: str = "") -> GateAnswer:
    """Say whether the pull request that brought the commit was approved by enough people.

    The latest decision of each reviewer counts. It counts as an approval when it was given to the head that was
    merged, by somebody who may write and who did not open the pull request.
    """
    pull = brought_by(pulls, sha)
    if pull is None:
        return closed(REVIEWS, _not_proposed(pulls, sha), link)
    latest = latest_reviews(pull)
    against = sorted(one.reviewer for one in latest if one.state == "CHANGES_REQUESTED")
    approved = sorted(one.reviewer for one in latest if one.state == "APPROVED" and one.commit == pull.head)
    stale = sorted(one.reviewer for one in latest if one.state == "APPROVED" and one.commit != pull.head)
    where = f"pull request #{pull.number}"
    if against:
        return closed(
            REVIEWS,
            f"{_people(against)} asked for changes in {where}: agree on it and review again",
            pull.link,
        )
    if len(approved) >= required:
        return opened(REVIEWS, f"{where} was approved by {_people(approved)}", pull.link)
    old = f" ({_people(stale)} approved an earlier state)" if stale else ""
    return closed(
        REVIEWS,
        f"{where} has {len(approved)} of {required} approving reviews of its last commit{old}: ask for a review",
        pull.link,
    )


def _not_proposed(pulls: Sequence[PullRequestFact], sha: str) -> str:
    around = next((pull for pull in pulls if pull.merge_commit), None)
    if around is None:
        return f"no pull request brought {sha[:7]}: open one for it, and ask for a review"
    return (
        f"{sha[:7]} is inside pull request #{around.number}, which was reviewed as a whole: "
        f"promote {around.merge_commit[:7]}, which its merge made"
    )


def latest_reviews(pull: PullRequestFact) -> list[ReviewFact]:
    """Return the last decision of each reviewer who counts; GitHub lists reviews oldest first."""
    latest: dict[str, ReviewFact] = {}
    for review in pull.reviews:
        counts = review.may_write and review.reviewer and review.reviewer.lower() != pull.author.lower()
        # What a rule approved so that GitHub may merge it was read by nobody.
        if counts and BY_RULE not in review.body and review.state in _DECISIVE:
            latest[review.reviewer.lower()] = review
    return list(latest.values())


def protected(fact: ProtectionFact) -> GateAnswer:
    """Say whether GitHub enforces on a branch what the other gates rely on."""
    wanted = (
        (fact.pull_requests, "changes by pull request only"),
        (fact.no_force_push, "no rewriting of its history"),
        (fact.no_deletion, "no deletion"),
    )
    missing = [name for there, name in wanted if not there]
    branch = one_line(fact.branch)
    if not missing:
        return opened(PROTECTION, f"GitHub protects {branch}", fact.link)
    said = f"GitHub does not enforce on {branch}: {', '.join(missing)}: protect the branch there"
    return closed(PROTECTION, said, fact.link)


def unreadable(gate: str, reason: str, *, waiting: bool, link: str = "") -> GateAnswer:
    """Return the answer of a gate nobody could ask: closed, and waiting where another look may help."""
    return closed(gate, f"it cannot be asked: {one_line(reason, 400)}", link, waiting=waiting)


def _people(names: Iterable[str]) -> str:
    return ", ".join(one_line(name, 40) for name in names)
