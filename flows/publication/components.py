"""What is shown of a promotion, part by part."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from blocks.values.publication import CommitStatusWish, DeploymentStateWish, DeploymentWish
from flows.domain.publication.changelog import branch_of, with_entry
from flows.domain.publication.comment import comment_body, marker
from flows.domain.publication.markdown import inline
from flows.domain.publication.notes import MOST_CHANGES, change_lines, release_wish, version_tag
from flows.domain.publication.states import (
    CONTEXT,
    LEFT,
    commit_state,
    deployment_state,
    described,
    shown_address,
)
from flows.domain.words.text import one_line
from flows.publication.locations import CommitLocations
from tasks.github.show_promotion import PublicationPart, Published
from tasks.kernel.redact import process_redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semver import Version

    from blocks.values.github import PullRequestFact
    from flows.publication.promotion_view import PromotionView
    from tasks.kernel.protocols import GitHubShower

# While it is planned and carried out only so many comments are written: at its end all of them are.
_MOST_DURING = 10
# A deployment is made for what changes something, or is about to; what ended before that only closes the one it has.
_MAKES = frozenset(
    {
        Status.PLANNING,
        Status.WAITING,
        Status.RUNNING,
        Status.RESTORING,
        Status.SUCCEEDED,
        Status.FAILED,
        Status.RESTORED,
        Status.BROKEN,
    }
)
_DURING = frozenset({Status.PLANNING, Status.RUNNING, Status.RESTORING})


class Parts:
    """The parts of one moment."""

    def __init__(self, scene: PromotionView, github: GitHubShower) -> None:
        self._scene = scene
        self._github = github

    def wanted(self) -> Iterator[PublicationPart]:
        """Return what the policy has shown of this moment, the quickest first."""
        scene, show = self._scene, self._scene.policy.show
        left = scene.moment == LEFT
        if show.status and not left:
            yield PublicationPart("commit status", self._status)
        if show.deployments:
            yield PublicationPart("deployment", self._deployment)
        if show.release and scene.brings_version:
            yield PublicationPart("release", self._release)
        if show.changelog and scene.brings_version:
            yield PublicationPart("changelog", self._changelog)
        if show.comment and not left and scene.row.status is not Status.UNCHANGED:
            yield PublicationPart("comments", self._comments)

    def _status(self) -> Published:
        scene, row = self._scene, self._scene.row
        if not scene.newest_of_commit:
            return Published("")
        wish = CommitStatusWish(
            sha=scene.sha,
            context=f"{CONTEXT}{row.environment}",
            state=commit_state(row.status),
            description=_safe(described(row.kind, row.status, row.message)),
            target_url=scene.run,
        )
        self._github.ensure_commit_status(wish)
        return Published(f"{wish.context} is {wish.state}")

    def _deployment(self) -> Published:
        scene, row = self._scene, self._scene.row
        by = f" asked for by {row.requested_by}" if row.requested_by else ""
        wish = DeploymentWish(
            sha=scene.sha,
            environment=row.environment,
            production=scene.last,
            description=one_line(_safe(f"{row.kind.value} of {row.pipeline}{by}"), 140),
            promotion=row.id,
            key=row.flow_run_id or f"promotion-{row.id}",
        )
        number = scene.deployment or self._github.find_deployment(wish)
        if not number:
            if row.status not in _MAKES or scene.moment == LEFT:
                return Published("")
            number = self._github.ensure_deployment(wish)
        state = deployment_state(row.status, runs=scene.runs)
        said = described(row.kind, row.status, row.message, runs=scene.runs)
        address = shown_address(scene.policy.address)
        self._github.ensure_deployment_state(
            number,
            DeploymentStateWish(
                state=state, description=_safe(said), log_url=scene.run, environment_url=address
            ),
        )
        return Published(f"deployment {number} is {state}", number)

    def _comments(self) -> Published:
        scene = self._scene
        pulls = self.pulls
        if scene.row.status in _DURING:
            pulls = pulls[:_MOST_DURING]
        where = CommitLocations(scene.showing)
        pipeline = scene.row.pipeline
        for pull in pulls:
            stays, attempts = where.of(pull.merge_commit or scene.sha)
            body = comment_body(pipeline, scene.showing.environments, stays, attempts)
            self._github.ensure_comment(pull.number, marker(pipeline), _safe(body))
        return Published(f"{len(pulls)} pull requests have their comment")

    @cached_property
    def pulls(self) -> tuple[PullRequestFact, ...]:
        """The pull requests whose change comes in or goes out, newest first."""
        coming, leaving = self._scene.commits
        commits = (*coming, *leaving)
        merged: tuple[PullRequestFact, ...] = ()
        if commits:
            since = min(commit.committed_at for commit in commits)
            merged = self._github.merged(frozenset(commit.sha for commit in commits), since)
        # The commit inside of a branch has one too, which is not merged yet.
        around = [pull for pull in self._github.pulls(self._scene.sha) if pull.open or pull.merged_at]
        found = {pull.number: pull for pull in (*merged, *around)}
        return tuple(found[number] for number in sorted(found, reverse=True))[:MOST_CHANGES]

    def _brought(self) -> tuple[PullRequestFact, ...]:
        """Return the merged pull requests that came in: what only happens to hold the commit brought nothing."""
        coming = {commit.sha for commit in self._scene.commits[0]}
        return tuple(pull for pull in self.pulls if pull.merge_commit in coming)

    def _version(self) -> tuple[str, Version] | None:
        scene = self._scene
        tags = scene.showing.mirror.tags_at(scene.sha)
        return version_tag(scene.row.ref, tags, scene.policy.tags or ("v*",))

    def _release(self) -> Published:
        scene, found = self._scene, self._version()
        if found is None or scene.release is None:
            return Published("")
        tag, version = found
        wish = release_wish(
            tag,
            version,
            scene.release,
            environment=scene.row.environment,
            since=scene.row.ended_at or scene.row.updated_at,
            before=self._before(),
            pulls=self._brought(),
            plan=scene.plan,
        )
        made = self._github.ensure_release(wish.model_copy(update={"body": _safe(wish.body)}))
        return Published(f"release {tag} is {'created' if made else 'there'}")

    def _before(self) -> str:
        scene = self._scene
        if scene.before is None:
            return ""
        tags = scene.showing.mirror.tags_at(scene.before.commit.sha)
        found = version_tag("", tags, scene.policy.tags or ("v*",))
        return found[0] if found is not None else scene.before.id

    def _changelog(self) -> Published:
        """Prepare the entry as a pull request; one that was closed is not opened again."""
        scene, found, path = self._scene, self._version(), self._scene.policy.show.changelog
        if found is None or path is None:
            return Published("")
        tag, version = found
        base, branch = scene.showing.default_branch, branch_of(tag)
        if self._github.latest_pull(branch, base) is not None:
            return Published(f"the changelog of {tag} has its pull request")
        at = scene.row.ended_at or scene.row.updated_at
        changes = change_lines(self._brought(), scene.commits[0])
        now = self._github.read_file(path, base)
        if with_entry(now.text if now is not None else "", version, at, changes) is None:
            return Published(f"the changelog has {tag}")
        self._github.ensure_branch(branch, base)
        there = self._github.read_file(path, branch)
        text = with_entry(there.text if there is not None else "", version, at, changes)
        title = f"Changelog of {tag}"
        if text is not None:
            blob = there.blob if there is not None else ""
            self._github.write_file(path, _safe(text), branch=branch, message=title, blob=blob)
        body = f"{tag} runs in {inline(scene.row.environment)}. This adds its entry to {inline(path)}.\n"
        pull = self._github.open_pull(branch, base, title, body)
        return Published(
            f"pull request #{pull.number} has the changelog of {tag}" if pull is not None else ""
        )


def _safe(text: str) -> str:
    return process_redactor().text(text)
