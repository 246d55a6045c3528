"""One event of GitHub, whatever its kind, as the facts that decide what it starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError

from blocks.values.base import Value
from blocks.values.deliveries import MISSED
from flows.domain.approvals.reviews import marks_in
from flows.domain.triggers import payloads as github

BRANCHES, TAGS = "refs/heads/", "refs/tags/"
_LONGEST_COMMAND = 300
_MOST_ANSWERS = 10
_NO_BRANCH = "the checks belong to no branch of this repository"
_ACTION = re.compile(r"[a-z_]{1,100}")

# What an event can be to a pipeline: the names of `triggers.events`, a draft that is none any more, a person's comment
# or review.
Means = Literal[
    "push",
    "tag",
    "pull_request",
    "ready",
    "merge",
    "workflow_run",
    "check_suite",
    "release",
    "comment",
    "review",
    "nothing",
]


class MalformedPayloadError(ValueError):
    """A payload is not what GitHub documents; the text is one line, without what was sent."""


class Event(Value):
    """What decides of one event.

    Attributes:
        means: What it can start; `nothing` where the refusal says why.
        refusal: Why it starts nothing, whatever the pipeline says; else empty.
        ref: The branch or tag that is promoted, as `refs/…`; a name without `refs/` may be either.
        bases: The branch a pull request goes to, and the one it went to before, where that was changed.
        sha: The commit; empty where only the tag is known.
        author: Of a merge, the person whose pull request it was; empty where that is a bot or not told.
        producers: Names of the workflow or App whose checks are green.
        answers: The environments whose plans a review names.
    """

    name: str
    action: str = ""
    means: Means = "nothing"
    refusal: str = ""
    ref: str = ""
    bases: tuple[str, ...] = ()
    sha: str = ""
    sender: str = ""
    bot: bool = False
    author: str = ""
    number: int | None = None
    producers: tuple[str, ...] = ()
    prerelease: bool = False
    command: str = ""
    foreign: bool = False
    merged: bool = False
    on_request: bool = False
    answers: tuple[str, ...] = ()


def read_event(name: str, payload: object) -> Event:
    """Read an event.

    Raises:
        MalformedPayloadError: The payload is not what GitHub documents for such an event.
    """
    read = _READERS.get(name)
    if read is None:
        answered = "the webhook is set up" if name == "ping" else f"the event {name} starts nothing"
        return Event(name=name, action=_action(payload), refusal=answered)
    try:
        return read(payload)
    except ValidationError as error:
        raise MalformedPayloadError(f"the payload of {name} is not GitHub's: {_problem(error)}") from None


def repository_of(payload: object) -> str:
    """Return the repository a payload says it is about, `owner/name`; empty where it says none."""
    repository = payload.get("repository") if isinstance(payload, dict) else None
    name = repository.get("full_name") if isinstance(repository, dict) else None
    return name if isinstance(name, str) else ""


def former_name_of(payload: object) -> str:
    """Return the name a repository had before GitHub told that it was renamed or given away; empty where it did not."""
    found = payload if isinstance(payload, dict) else {}
    owner, _, name = repository_of(found).partition("/")
    changes = found.get("changes")
    if not owner or not isinstance(changes, dict):
        return ""
    before = _within(changes, "repository", "name", "from")
    giver = _within(changes, "owner", "from", "user", "login") or _within(
        changes, "owner", "from", "organization", "login"
    )
    return f"{giver or owner}/{before or name}" if before or giver else ""


def _within(found: object, *keys: str) -> str:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def missed_event(ref: str, sha: str) -> Event:
    """Return the event that GitHub failed to deliver: a branch or tag is at a commit nobody was told of."""
    means: Means = "tag" if ref.startswith(TAGS) else "push"
    return Event(name=MISSED, means=means, ref=ref, sha=sha, sender="github")


def _problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def _action(payload: object) -> str:
    action = payload.get("action") if isinstance(payload, dict) else None
    return action if isinstance(action, str) and _ACTION.fullmatch(action) else ""


def _who(account: github.Account | None) -> dict[str, Any]:
    # GitHub Apps act as "name[bot]"; a brackets' end cannot stand in a person's login.
    if account is None:
        return {}
    return {"sender": account.login, "bot": account.type == "Bot" or account.login.endswith("[bot]")}


def _meant(found: Event, means: Means, *refusals: str) -> Event:
    """Return an event with what it means, or with the first reason why it starts nothing."""
    refusal = next(filter(None, refusals), "")
    return found.model_copy(update={"refusal": refusal} if refusal else {"means": means})


def _push(payload: object) -> Event:
    push = github.PushPayload.model_validate(payload)
    is_tag, refusal = push.ref.startswith(TAGS), ""
    if not is_tag and not push.ref.startswith(BRANCHES):
        refusal = "it is neither a branch nor a tag"
    elif push.deleted or not push.after.strip("0"):
        refusal = f"the {'tag' if is_tag else 'branch'} was deleted"
    # Of an annotated tag `after` is the tag's own object, and the commit stands in head_commit.
    sha = push.head_commit.id if push.head_commit else push.after
    found = Event(name="push", ref=push.ref, sha="" if refusal else sha, **_who(push.sender))
    return _meant(found, "tag" if is_tag else "push", refusal)


def _pull_request(payload: object) -> Event:
    event = github.PullRequestEvent.model_validate(payload)
    request = event.pull_request
    merged = event.action == "closed" and request.merged
    foreign = request.head.repo is None or not same_name(
        request.head.repo.full_name, event.repository.full_name
    )
    author = _who(request.user) if merged and not foreign else {}
    found = Event(
        name="pull_request",
        action=event.action,
        number=request.number,
        foreign=foreign,
        merged=request.merged,
        bases=tuple(dict.fromkeys([request.base.ref, *event.base_before()])),
        ref=f"{BRANCHES}{request.base.ref if request.merged else request.head.ref}",
        sha=(request.merge_commit_sha or "") if request.merged else request.head.sha,
        author=author["sender"] if author and not author["bot"] else "",
        **_who(event.sender),
    )
    if foreign:
        what = "only the push of its merge counts" if merged else "forks start nothing"
        return _meant(found, "nothing", f"the pull request is from a fork: {what}")
    if merged:
        return _meant(found, "merge")
    if event.action == "closed":
        return _meant(found, "nothing", "the pull request was closed without a merge")
    if event.action == "ready_for_review" or event.base_before():
        # It brings no commit that was not told of, so it promotes nothing; it may be merged now, or no more.
        return _meant(found, "ready")
    brings = event.action in {"opened", "reopened", "synchronize"}
    refusal = "" if brings else f"a pull request that is {event.action} starts nothing"
    return _meant(found, "pull_request", refusal)


def _workflow_run(payload: object) -> Event:
    event = github.WorkflowRunEvent.model_validate(payload)
    run, workflow = event.workflow_run, event.workflow
    # Who pushed is the run's actor; the sender may be whoever pressed a button later.
    found = Event(
        name="workflow_run",
        action=event.action,
        sha=run.head_sha,
        ref=run.head_branch or "",
        producers=(workflow.name, PurePosixPath(workflow.path).name) if workflow else (),
        **_who(run.actor or event.sender),
    )
    own = run.head_repository is not None and same_name(
        run.head_repository.full_name, event.repository.full_name
    )
    return _meant(
        found,
        "workflow_run",
        _not_green(event.action, run.conclusion),
        "" if own else "the checks are from a fork, whatever its branch is called",
        "" if run.event == "push" else f"the checks were started by {run.event}: only those of a push count",
        "" if found.ref else _NO_BRANCH,
    )


def _check_suite(payload: object) -> Event:
    event = github.CheckSuiteEvent.model_validate(payload)
    suite = event.check_suite
    # The sender is the App or somebody else: who pushed is looked up in the ledger.
    found = Event(
        name="check_suite",
        action=event.action,
        sha=suite.head_sha,
        ref=suite.head_branch or "",
        sender=event.sender.login,
        producers=tuple(filter(None, (suite.app.slug, suite.app.name))) if suite.app else (),
    )
    refusal = _not_green(event.action, suite.conclusion)
    return _meant(found, "check_suite", refusal, "" if found.ref else _NO_BRANCH)


def _not_green(action: str, conclusion: str | None) -> str:
    if action != "completed":
        return "the checks are not completed"
    return "" if conclusion == "success" else f"the checks ended with {conclusion or 'nothing'}"


def _release(payload: object) -> Event:
    event = github.ReleaseEvent.model_validate(payload)
    found = Event(
        name="release",
        action=event.action,
        ref=f"{TAGS}{event.release.tag_name}",
        prerelease=event.release.prerelease,
        **_who(event.sender),
    )
    return _meant(
        found,
        "release",
        "" if event.action == "published" else f"a release that is {event.action} starts nothing",
        "the release is a draft" if event.release.draft else "",
    )


def _issue_comment(payload: object) -> Event:
    event = github.IssueCommentEvent.model_validate(payload)
    lines = event.comment.body.strip().splitlines()
    # Who wrote it counts, not who caused the event: others may edit a comment.
    found = Event(
        name="issue_comment",
        action=event.action,
        number=event.issue.number,
        on_request=event.issue.pull_request is not None,
        command=lines[0].strip()[:_LONGEST_COMMAND] if lines and lines[0].startswith("/") else "",
        **_who(event.comment.user),
    )
    return _meant(
        found,
        "comment",
        "" if event.action == "created" else f"a comment that is {event.action} starts nothing",
        "" if found.command else "the comment is no command",
    )


def _review(payload: object) -> Event:
    event = github.PullRequestReviewEvent.model_validate(payload)
    # Only where to look: whose review it is and what it says is read from GitHub itself.
    named = dict.fromkeys(mark.environment for mark in marks_in(event.review.body or ""))
    found = Event(
        name="pull_request_review",
        action=event.action,
        number=event.pull_request.number,
        answers=tuple(named)[:_MOST_ANSWERS],
        **_who(event.review.user),
    )
    given = event.action in {"submitted", "edited"}
    return _meant(
        found,
        "review",
        "" if given else f"a review that is {event.action} starts nothing",
        "" if found.answers else "the review names no plan",
    )


def same_name(one: str, other: str) -> bool:
    """Say whether two names of repositories or logins are the same to GitHub, which ignores case."""
    return one.casefold() == other.casefold()


_READERS: dict[str, Callable[[object], Event]] = {
    "push": _push,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "workflow_run": _workflow_run,
    "check_suite": _check_suite,
    "release": _release,
    "issue_comment": _issue_comment,
}
