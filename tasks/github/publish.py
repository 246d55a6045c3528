"""What is to be seen of a promotion on GitHub: looked for first, written where it differs, and looked at again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from blocks.values.publication import CommitStatusWish, DeploymentStateWish, DeploymentWish, ReleaseWish
from tasks.github.facts import login_of
from tasks.github.refusals import Asking, ChangeRefusedError, NotThereError
from tasks.github.repository import RepositoryPart, quoted
from tasks.kernel.errors import TransientError

_DEPLOYMENTS = Asking("the deployments", "Deployments: read")
_DEPLOY = Asking("a deployment", "Deployments: write", "create")
_STATE = Asking("a deployment's status", "Deployments: write", "set")
_STATUSES = Asking("the commit's statuses", "Commit statuses: read")
_STATUS = Asking("a commit status", "Commit statuses: write", "set")
_COMMENTS = Asking("the pull request's comments", "Pull requests: read")
_COMMENT = Asking("a comment on the pull request", "Pull requests: write", "write")
_RELEASES = Asking("the release", "Contents: read")
_RELEASE = Asking("a release", "Contents: write", "create")
# What tells Sluice's deployments in their payload.
_OURS = "sluice"
_TASK = "deploy"


class GitHubShowing(RepositoryPart):
    """Deployments, statuses, comments and releases of a repository on GitHub."""

    def find_deployment(self, wish: DeploymentWish) -> int:
        """Find a promotion's deployment by what its payload says."""
        wanted = {"sha": wish.sha, "environment": wish.environment, "task": _TASK}
        found = self._client.listed(_DEPLOYMENTS, f"{self._path}/deployments", dict, **wanted)
        return min((int(one["id"]) for one in found if _key_of(one) == wish.key), default=0)

    def ensure_deployment(self, wish: DeploymentWish) -> int:
        """Find a promotion's deployment, or create it. It waits for no check: the gates have asked."""
        there = self.find_deployment(wish)
        if there:
            return there
        body = {
            "ref": wish.sha,
            "task": _TASK,
            "auto_merge": False,
            "required_contexts": [],
            "payload": {_OURS: {"promotion": wish.promotion, "key": wish.key}},
            "environment": wish.environment,
            "description": wish.description,
            "transient_environment": False,
            "production_environment": wish.production,
        }
        made = self._client.change(_DEPLOY, "POST", f"{self._path}/deployments", body)
        number = int(made["id"]) if "id" in made else self.find_deployment(wish)
        _seen(bool(number), "deployment")
        return number

    def ensure_deployment_state(self, number: int, wish: DeploymentStateWish) -> bool:
        """Give a deployment a state, unless it has it."""
        path = f"{self._path}/deployments/{number}/statuses"
        links = {"log_url": wish.log_url, "environment_url": wish.environment_url}
        body = {
            "state": wish.state,
            "description": wish.description,
            # Of production GitHub itself leaves the ones before active; those of Sluice are closed by Sluice.
            "auto_inactive": True,
            **{name: address for name, address in links.items() if address},
        }
        return self._ensured(lambda: self._has_state(path, wish), _STATE, path, body, "deployment status")

    def ensure_commit_status(self, wish: CommitStatusWish) -> bool:
        """Give a commit a status, unless it has it."""
        body = {
            "state": wish.state,
            "context": wish.context,
            "description": wish.description,
            **({"target_url": wish.target_url} if wish.target_url else {}),
        }
        path = f"{self._path}/statuses/{wish.sha}"
        return self._ensured(lambda: self._has_status(wish), _STATUS, path, body, "commit status")

    def ensure_comment(self, pull: int, marker: str, body: str) -> bool:
        """Write a pull request's one comment, or bring it up to date; of several of ours the first is kept.

        Args:
            marker: The line the comment begins with.
        """
        ours = self._comments(pull, marker)
        if not ours:
            self._client.change(_COMMENT, "POST", f"{self._path}/issues/{pull}/comments", {"body": body})
            # Another promotion may have written the first one at the same moment.
            ours = self._comments(pull, marker)
            _seen(bool(ours), "comment")
            self._remove(ours[1:])
            return True
        self._remove(ours[1:])
        if _lines(ours[0]["body"]) == _lines(body):
            return len(ours) > 1
        path = f"{self._path}/issues/comments/{ours[0]['id']}"
        self._client.change(_COMMENT, "PATCH", path, {"body": body})
        return True

    def ensure_release(self, wish: ReleaseWish) -> bool:
        """Create a tag's release, unless there is one: what people wrote stays."""
        body = {
            "tag_name": wish.tag,
            "name": wish.name,
            "body": wish.body,
            "draft": False,
            "prerelease": wish.prerelease,
            # GitHub decides by date and version, so that a mended older line does not become the latest.
            "make_latest": "legacy",
        }
        path = f"{self._path}/releases"
        return self._ensured(lambda: self._has_release(wish.tag), _RELEASE, path, body, "release")

    def _ensured(
        self, there: Callable[[], bool], asking: Asking, path: str, body: Mapping[str, Any], what: str
    ) -> bool:
        """Create something, unless it is there; say whether it was created."""
        if there():
            return False
        try:
            self._client.change(asking, "POST", path, body)
        except ChangeRefusedError:
            # Somebody else may have created it this moment.
            if there():
                return False
            raise
        _seen(there(), what)
        return True

    def _has_state(self, path: str, wish: DeploymentStateWish) -> bool:
        found = self._client.listed(_STATE, path, dict)
        last = max(found, key=lambda one: int(one["id"]), default=None)
        if last is None:
            return False
        # A deployment that GitHub or people closed meanwhile keeps its other lines.
        same = wish.state == "inactive" or last.get("description") == wish.description
        return bool(last["state"] == wish.state and same)

    def _has_status(self, wish: CommitStatusWish) -> bool:
        found = self._client.ask(_STATUSES, lambda: self._status(wish.sha, wish.context))
        if found is None:
            return False
        had = (found["state"], found["description"], found["target_url"] or "")
        return had == (wish.state, wish.description, wish.target_url)

    def _status(self, sha: str, context: str) -> dict[str, Any] | None:
        """Return the newest status of a context: GitHub lists the newest first."""
        listed = self._client.pages(f"{self._path}/commits/{sha}/statuses")
        return next((one for one in listed if one["context"] == context), None)

    def _comments(self, pull: int, marker: str) -> list[dict[str, Any]]:
        """Return the comments that are ours, oldest first: anybody can copy the marker, so the login counts too."""
        listed = self._client.listed(_COMMENTS, f"{self._path}/issues/{pull}/comments", dict)
        marked = [one for one in listed if str(one.get("body") or "").startswith(marker)]
        ours = [one for one in marked if login_of(one.get("user")) == self.me()]
        return sorted(ours, key=lambda one: int(one["id"]))

    def _remove(self, comments: list[dict[str, Any]]) -> None:
        for one in comments:
            path = f"{self._path}/issues/comments/{one['id']}"
            try:
                self._client.change(_COMMENT, "DELETE", path)
            except NotThereError:
                continue

    def _has_release(self, tag: str) -> bool:
        try:
            self._client.one(_RELEASES, f"{self._path}/releases/tags/{quoted(tag)}", dict)
        except NotThereError:
            return False
        return True


def _key_of(deployment: Mapping[str, Any]) -> str:
    """Return the promotion's key in a deployment's payload; GitHub gives some payloads back as text."""
    payload = deployment.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return ""
    ours = payload.get(_OURS) if isinstance(payload, dict) else None
    return str(ours.get("key", "")) if isinstance(ours, dict) else ""


def _lines(text: object) -> list[str]:
    """Return a comment's lines: GitHub ends them its own way."""
    return str(text or "").replace("\r\n", "\n").rstrip("\n").split("\n")


def _seen(there: bool, what: str) -> None:  # noqa: FBT001 - the word says what it is
    """Say so where GitHub took a change and does not show it."""
    if not there:
        raise TransientError(
            f"GitHub accepted the {what} and does not show it yet", "it is shown again later"
        )
