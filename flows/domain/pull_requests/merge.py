"""May a pull request be merged without a person? Whatever is not known is a no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from blocks.pipeline.pull_requests import AutoMergeRule
from blocks.values.base import Value
from blocks.values.pull_requests import ChangedFile, PullContent, PullFact, Push
from flows.domain.pull_requests.paths import path_matches
from flows.domain.triggers.events import same_name
from flows.domain.words.text import one_line

MOST_FILES = 300
# GitHub lists no more of a pull request's commits.
MOST_COMMITS = 249


class MergeVerdict(Value):
    """Whether a pull request may be merged without a person."""

    rule: AutoMergeRule | None
    reason: str


class MergeContext(Value):
    """What the pull requests are judged on."""

    repository: str
    pipeline_path: str
    rules: tuple[AutoMergeRule, ...]


def asked_about(pull: PullFact, ground: MergeContext) -> str:
    """Say why a pull request is none that could be merged without a person; empty where it could.

    This needs nothing but the pull request: most are decided by it.
    """
    return next(_told_by_itself(pull, ground), "")


def _told_by_itself(pull: PullFact, ground: MergeContext) -> Iterator[str]:
    into = [rule for rule in ground.rules if rule.into == pull.base]
    if not pull.open:
        yield "it is closed"
    if not same_name(pull.head_repository, ground.repository):
        yield "it comes from a fork, or from a repository that is gone"
    if not into:
        yield f"no rule names {one_line(pull.base)}"
    if pull.draft:
        yield "it is a draft"
    if not pull.author or not any(same_name(pull.author, one) for rule in into for one in rule.authors):
        yield f"{one_line(pull.author) or 'whoever opened it'} is not a listed author"
    if not 1 <= (pull.commits or 0) <= MOST_COMMITS:
        yield f"it has {'an unknown number of' if pull.commits is None else pull.commits} commits"
    if not 1 <= (pull.changed_files or 0) <= MOST_FILES:
        yield f"it changes {'an unknown number of' if pull.changed_files is None else pull.changed_files} files"


def may_merge(content: PullContent, ground: MergeContext) -> MergeVerdict:
    """Decide whether a pull request may be merged without a person."""
    refusal = asked_about(content.pull, ground) or _not_alone(content) or _not_read(content)
    if refusal:
        return MergeVerdict(rule=None, reason=refusal)
    said: list[str] = []
    for rule in ground.rules:
        if rule.into != content.pull.base:
            continue
        refusal = _not_by(rule, content, ground.pipeline_path)
        if not refusal:
            return MergeVerdict(rule=rule, reason=f"by {content.pull.author}, and only what may be changed")
        said.append(refusal)
    return MergeVerdict(rule=None, reason="; ".join(dict.fromkeys(said)))


def _not_alone(content: PullContent) -> str:
    """Say who else had a hand in it; empty where nobody had."""
    author = content.pull.author
    if not all(content.authors):
        return "GitHub does not know who wrote one of its commits"
    for login in content.authors:
        if not same_name(login, author):
            return f"{one_line(login)} wrote one of its commits, and {one_line(author)} opened it"
    # Anybody may write another's address into a commit; who pushed it is what GitHub itself saw.
    if not heard_of(content.pull.head, content.pushes):
        return "no delivery says who pushed its newest commit: let the webhook send pushes too"
    for push in content.pushes:
        if not push.sender:
            return "no delivery says who pushed one of its commits: GitHub did not deliver it"
        if not same_name(push.sender, author):
            return f"{one_line(push.sender)} pushed to its branch, and {one_line(author)} opened it"
    return ""


def heard_of(head: str, pushes: Sequence[Push]) -> bool:
    """Say whether a delivery told who pushed a commit."""
    return any(push.sha == head for push in pushes)


def since_made(pushes: Sequence[Push]) -> tuple[Push, ...]:
    """Return the pushes to a branch since it was made: what another branch of that name had does not count.

    One that was found by itself does not count either, where its delivery came after all.
    """
    deleted = [index for index, push in enumerate(pushes) if not push.sha]
    own = pushes[deleted[-1] + 1 :] if deleted else pushes
    told = {push.sha for push in own if push.sender}
    return tuple(push for push in own if push.sender or push.sha not in told)


def _not_read(content: PullContent) -> str:
    if len(content.authors) != content.pull.commits or len(content.files) != content.pull.changed_files:
        return "GitHub did not list all its commits and files"
    if content.required_checks < 1:
        return f"GitHub requires no check on {one_line(content.pull.base)}, so nothing would stop a red one"
    return ""


def _not_by(rule: AutoMergeRule, content: PullContent, pipeline_path: str) -> str:
    if not any(same_name(content.pull.author, login) for login in rule.authors):
        return f"{one_line(content.pull.author)} is not a listed author"
    for path in _paths(content.files):
        if decides(path, pipeline_path):
            return f"{one_line(path)} is policy, so a person has to merge it"
        if not path_matches(path, rule.paths):
            return f"{one_line(path)} is not among the paths that may be changed"
    return ""


def decides(path: str, pipeline_path: str) -> bool:
    """Say whether a file decides about checks, reviews or releases, and so is never changed without a person."""
    # As hosts with another file system might see it: a different case must be no way around.
    plain = PurePosixPath(path.casefold())
    parts = plain.parts
    return (
        plain == PurePosixPath(pipeline_path.casefold())
        or ".github" in parts
        or plain.name in {"codeowners", ".gitattributes", ".gitmodules"}
    )


def _paths(files: Sequence[ChangedFile]) -> Iterator[str]:
    for file in files:
        yield file.path
        if file.previous_path:
            yield file.previous_path
