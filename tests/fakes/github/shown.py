"""What the fake GitHub holds of what was written there to be seen, and its JSON objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.github import shapes
from tests.fakes.github.shapes import CREATED, JSON


@dataclass
class Shown:
    """Deployments, statuses, releases and files of one repository.

    Attributes:
        deployments: The deployments, newest first.
        states: Deployment → its statuses, newest first.
        statuses: Commit → every status it was ever given, newest first.
        releases: Tag → its release.
        files: Branch → path → text.
    """

    deployments: list[JSON] = field(default_factory=list)
    states: dict[int, list[JSON]] = field(default_factory=dict)
    statuses: dict[str, list[JSON]] = field(default_factory=dict)
    releases: dict[str, JSON] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)

    # -- what tests ask ------------------------------------------------------------------------------------------

    def states_of(self, environment: str) -> dict[str, list[str]]:
        """Return commit → the states its deployments in an environment went through, oldest first."""
        found: dict[str, list[str]] = {}
        for one in reversed(self.deployments):
            if one["environment"] == environment:
                states = [state["state"] for state in reversed(self.states[one["id"]])]
                found.setdefault(one["sha"], []).extend(states)
        return found

    def status_of(self, sha: str, context: str) -> list[tuple[str, str]]:
        """Return state and description of a context's statuses, oldest first."""
        return [
            (one["state"], one["description"])
            for one in reversed(self.statuses.get(sha, []))
            if one["context"] == context
        ]


def deployment(base: str, repository: str, number: int, login: str, sha: str, asked: JSON) -> JSON:
    """Build a deployment."""
    url = f"{base}/repos/{repository}/deployments/{number}"
    return {
        "url": url,
        "id": number,
        "node_id": f"DE_{number}",
        "sha": sha,
        "ref": asked["ref"],
        "task": asked.get("task", "deploy"),
        "payload": asked.get("payload", ""),
        "original_environment": asked.get("environment", "production"),
        "environment": asked.get("environment", "production"),
        "description": asked.get("description"),
        "creator": shapes.user(base, login),
        "created_at": CREATED,
        "updated_at": CREATED,
        "statuses_url": f"{url}/statuses",
        "repository_url": f"{base}/repos/{repository}",
        "transient_environment": asked.get("transient_environment", False),
        "production_environment": asked.get(
            "production_environment", asked.get("environment", "production") == "production"
        ),
    }


def deployment_status(base: str, parent: JSON, number: int, login: str, asked: JSON) -> JSON:
    """Build a deployment-status."""
    log = asked.get("log_url") or asked.get("target_url") or ""
    return {
        "url": f"{parent['url']}/statuses/{number}",
        "id": number,
        "node_id": f"DES_{number}",
        "state": asked["state"],
        "creator": shapes.user(base, login),
        "description": asked.get("description", ""),
        "environment": parent["environment"],
        "target_url": log,
        "created_at": CREATED,
        "updated_at": CREATED,
        "deployment_url": parent["url"],
        "repository_url": parent["repository_url"],
        "environment_url": asked.get("environment_url", ""),
        "log_url": log,
    }


def release(base: str, repository: str, number: int, login: str, asked: JSON) -> JSON:
    """Build a release."""
    url = f"{base}/repos/{repository}/releases/{number}"
    tag = asked["tag_name"]
    return {
        "url": url,
        "html_url": f"{base}/{repository}/releases/tag/{tag}",
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        "tarball_url": f"{base}/repos/{repository}/tarball/{tag}",
        "zipball_url": f"{base}/repos/{repository}/zipball/{tag}",
        "id": number,
        "node_id": f"RE_{number}",
        "tag_name": tag,
        "target_commitish": asked.get("target_commitish", "main"),
        "name": asked.get("name"),
        "body": asked.get("body"),
        "draft": asked.get("draft", False),
        "prerelease": asked.get("prerelease", False),
        "created_at": CREATED,
        "published_at": CREATED,
        "author": shapes.user(base, login),
        "assets": [],
    }


def content_file(base: str, repository: str, path: str, blob: str, encoded: str, size: int) -> JSON:
    """Build a content-file."""
    url = f"{base}/repos/{repository}/contents/{path}"
    page = f"{base}/{repository}/blob/main/{path}"
    return {
        "type": "file",
        "encoding": "base64",
        "size": size,
        "name": path.rpartition("/")[2],
        "path": path,
        "content": encoded,
        "sha": blob,
        "url": url,
        "git_url": f"{base}/repos/{repository}/git/blobs/{blob}",
        "html_url": page,
        "download_url": page,
        "_links": {"git": url, "self": url, "html": page},
    }


def invalid(resource: str, field_name: str, code: str, message: str = "") -> list[JSON]:
    """Build the `errors` of a validation error."""
    found: dict[str, Any] = {"resource": resource, "field": field_name, "code": code}
    return [found | ({"message": message} if message else {})]
