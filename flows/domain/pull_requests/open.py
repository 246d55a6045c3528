"""Which pull requests a pushed branch gets, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.pipeline.pull_requests import OpenRule
from blocks.values.base import Value
from blocks.values.releases import Commit
from flows.domain.pull_requests.text import body_of, span, title_of
from flows.domain.words.refs import matches

_MOST_COMMITS = 30


class Wanted(Value):
    """A pull request that shall be open."""

    head: str
    base: str
    title: str
    body: str
    draft: bool


def rules_for(branch: str, rules: Sequence[OpenRule]) -> tuple[OpenRule, ...]:
    """Return the rules by which a branch gets pull requests: the first for each branch it goes into."""
    found: dict[str, OpenRule] = {}
    for rule in rules:
        if rule.into != branch and matches(branch, rule.branches):
            found.setdefault(rule.into, rule)
    return tuple(found.values())


def wanted_pull(branch: str, rule: OpenRule, commits: Sequence[Commit], pushed_by: str) -> Wanted | None:
    """Return the pull request a branch shall have by a rule.

    Args:
        commits: What the branch has and the one it goes into has not, newest first.
    """
    if not commits:
        return None
    named = rule.title.replace("{into}", rule.into).replace("{branch}", branch) if rule.title else ""
    # A subject made of blanks only is no title.
    title = title_of(named or commits[0].subject) or title_of(branch)
    return Wanted(
        head=branch,
        base=rule.into,
        title=title,
        body=body_of(
            f"Opened because {span(branch)} was pushed{f' by {span(pushed_by)}' if pushed_by else ''}.",
            _listed(commits),
            "The section `pull_requests` of the pipeline asks for it. Closed without a merge, it stays closed.",
        ),
        draft=rule.draft,
    )


def _listed(commits: Sequence[Commit]) -> str:
    lines = [f"- {span(one.short)} {span(one.subject, 100)}".rstrip() for one in commits[:_MOST_COMMITS]]
    more = len(commits) - len(lines)
    return "\n".join([*lines, *([f"- and {more} more"] if more > 0 else [])])
