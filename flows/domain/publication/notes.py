"""The notes of a release on GitHub, and the version it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from semver import Version

from blocks.values.github import PullRequestFact
from blocks.values.plans import Plan
from blocks.values.publication import LONGEST_NOTES, ReleaseWish
from blocks.values.releases import Commit, Release
from flows.domain.publication.comment import marker, verdict_lines
from flows.domain.publication.markdown import bounded, inline
from flows.domain.words.text import code, table
from flows.domain.words.versions import version_of

MOST_CHANGES = 50


def version_tag(ref: str, tags: Iterable[str], patterns: Sequence[str]) -> tuple[str, Version] | None:
    """Return the version tag a promotion brought.

    Returns:
        The tag that was asked for, else the highest version among the commit's tags; None where none is a version.
    """
    found = {tag: version for tag in tags if (version := version_of(tag, patterns)) is not None}
    asked = ref.removeprefix("refs/tags/")
    if asked in found:
        return asked, found[asked]
    return max(found.items(), key=lambda one: (one[1], one[0]), default=None)


def change_lines(
    pulls: Sequence[PullRequestFact], commits: Sequence[Commit], *, mark: str = "-"
) -> list[str]:
    """Return what came in: the pull requests, newest first; where there is none, the commits."""
    if pulls:
        ordered = sorted(pulls, key=lambda pull: -pull.number)
        lines = [
            f"{mark} {inline(pull.title or 'no title', 200)} (#{pull.number}"
            + (f", {inline(pull.author, 60)})" if pull.author else ")")
            for pull in ordered
        ]
    else:
        lines = [f"{mark} {inline(commit.subject, 200)} ({commit.short})" for commit in commits]
    more = len(lines) - MOST_CHANGES
    return [*lines[:MOST_CHANGES], *([f"{mark} … and {more} more"] if more > 0 else [])]


def release_wish(
    tag: str,
    version: Version,
    release: Release,
    *,
    environment: str,
    since: datetime,
    before: str,
    pulls: Sequence[PullRequestFact],
    plan: Plan | None,
) -> ReleaseWish:
    """Return the release GitHub is to have.

    Args:
        before: What ran there before: its tag or release; empty for nothing.
    """
    commits = plan.commits if plan is not None else ()
    changes = change_lines(pulls, commits or (release.commit,))
    images = [(code(image.target), code(image.repository), code(image.digest)) for image in release.images]
    lines = [
        marker(release.pipeline),
        f"Runs in {inline(environment)} since {since:%Y-%m-%d %H:%M} UTC, release {code(release.id)}.",
        "",
        f"## Changes since {inline(before)}" if before else "## Changes",
        "",
        *changes,
        *(["", "## Migrations", *_migrations(plan)] if plan is not None else []),
        *(["", "## Images", "", table(("Image", "Repository", "Digest"), images)] if images else []),
    ]
    return ReleaseWish(
        tag=tag, name=tag, body=bounded(lines, LONGEST_NOTES), prerelease=bool(version.prerelease)
    )


def _migrations(plan: Plan) -> list[str]:
    if not plan.pending:
        return ["", "None." if plan.pending_known else "Not known."]
    proof = (
        ["", "They were run on a restored copy of the database first."] if plan.rehearsal is not None else []
    )
    return [*verdict_lines(plan), *proof]
