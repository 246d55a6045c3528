"""GitHub between a scene's repository and its receiver: people push, review and merge, and GitHub tells of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from blocks.approver import Approver
from blocks.git_repository import GitRepository
from blocks.github import GitHub
from blocks.github_webhooks import GitHubWebhooks
from blocks.values.deliveries import DeliveryStatus
from deployments.control_plane.environment import WEBHOOKS_PATH, webhooks_url
from tests.data import payload
from tests.deployments.webhook.sender import SECRET, headers
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, serve_github
from tests.fakes.github.pulls import merge, push_branch
from tests.lab.scene import Scene
from tests.lab.shell import wait_until

BLOCK = "shop"
# What a machine with one worker and three servers of a lab may take for one run.
PATIENCE_SECONDS = 900


@dataclass
class Hub:
    """A repository on GitHub with its people.

    Attributes:
        github: GitHub itself.
        scene: The application, its servers and Prefect.
        sent: How many deliveries were sent.
    """

    github: FakeGitHub
    scene: Scene
    sent: int = 0

    def deliver(self, event: str, body: dict[str, Any], sender: str) -> None:
        """Send a signed delivery, as GitHub does."""
        who = {**body["sender"], "login": sender, "type": "User"}
        raw = json.dumps({**body, "sender": who}).encode()
        url = webhooks_url(self.scene.plane.env) + WEBHOOKS_PATH
        answer = httpx.post(url, content=raw, headers=headers(raw, event), trust_env=False, timeout=30)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        self.sent += 1

    def push(self, branch: str, by: str) -> str:
        """Tell of the head of the branch that is checked out, which its repository has already."""
        sha = self.scene.shop.head
        push_branch(self.github, branch, sha, author=by, files={"backend/shop/api.py": None})
        self._tell_of_push(f"refs/heads/{branch}", sha, by)
        return sha

    def tag(self, name: str, by: str) -> None:
        """Tag the commit that is checked out, and tell of it."""
        self.scene.shop.tag(name)
        self._tell_of_push(f"refs/tags/{name}", self.scene.shop.head, by)

    def review(self, number: int, by: str, text: str = "") -> None:
        """Approve a pull request's last commit, and tell of it."""
        pull = self.github.pull_state.known[number]
        self.github.review(number, by, "APPROVED", pull["head"]["sha"], body=text)
        body = payload("pull_request_review_submitted")
        body["review"] |= {"body": text, "user": {**body["review"]["user"], "login": by}}
        body["pull_request"] = copy.deepcopy(pull)
        self.deliver("pull_request_review", body, by)

    def merge(self, number: int, by: str) -> str:
        """Merge a pull request by a merge commit, and tell of it twice: of the push and of the pull request."""
        pull = self.github.pull_state.known[number]
        self.scene.shop.switch(pull["base"]["ref"])
        sha = self.scene.shop.merge(pull["head"]["ref"])
        merge(self.github, number, by, sha=sha)
        self._tell_of_push(f"refs/heads/{pull['base']['ref']}", sha, by)
        body = payload("pull_request_merged")
        body["pull_request"] |= {"merge_commit_sha": sha, "number": number}
        self.deliver("pull_request", body, by)
        return sha

    def started(self, deployment: str, sha: str = "") -> str:
        """Wait until Prefect has a run that a delivery started, and return its id.

        Args:
            deployment: `flow/name`.
            sha: Of this commit; empty for any.
        """
        found: list[str] = []

        def there() -> bool:
            with self.scene.ledger() as ledger:
                rows = ledger.starts.of([row.id for row in ledger.deliveries.newest(1000)])
            found[:] = [
                one.flow_run_id
                for one in rows
                if one.flow_run_id and one.start.deployment == deployment and sha in {"", one.sha}
            ]
            return bool(found)

        self.wait(f"a run of {deployment}", there)
        return found[-1]

    def wait(self, what: str, there: Callable[[], bool]) -> None:
        """Wait until something is to be seen; a delivery that failed ends the wait."""

        def seen() -> bool:
            with self.scene.ledger() as ledger:
                failed = [
                    row.reason
                    for row in ledger.deliveries.newest(1000)
                    if row.status is DeliveryStatus.FAILED
                ]
            assert not failed, failed
            return there()

        wait_until(seen, what, seconds=PATIENCE_SECONDS)

    def _tell_of_push(self, ref: str, sha: str, by: str) -> None:
        body = payload("push_branch")
        body |= {"ref": ref, "after": sha, "head_commit": {**body["head_commit"], "id": sha}}
        self.deliver("push", body, by)


@contextmanager
def put_github_beside(scene: Scene) -> Iterator[FakeGitHub]:
    """Serve a GitHub that knows no commit yet; the scene's repository names it."""
    with serve_github() as github:
        block = GitHub(repository=REPOSITORY, token=SecretStr(TOKEN), base_url=github.base)
        block.save(BLOCK, overwrite=True)
        GitRepository(url=scene.shop.url, github=BLOCK).save("default", overwrite=True)
        yield github


def give_logins(scene: Scene) -> None:
    """Let the scene's approvers have logins on GitHub: `ana-k` and so on."""
    for name, secret in scene.secrets.items():
        Approver(
            person=name,
            totp_secret=SecretStr(secret),
            identities=[f"{name}@example.com"],
            github_login=f"{name}-k",
        ).save(name, overwrite=True)


@contextmanager
def open_hub(scene: Scene) -> Iterator[Hub]:
    """Put GitHub between a scene's repository and a receiver, and give the approvers their logins.

    Args:
        scene: The scene.

    Yields:
        The hub, whose receiver listens.
    """
    with put_github_beside(scene) as github:
        GitHubWebhooks(secrets=[SecretStr(SECRET)], repositories={REPOSITORY: "default"}).save(
            "default", overwrite=True
        )
        give_logins(scene)
        github.roles |= {f"{name}-k": "write" for name in scene.secrets}
        assert scene.plane.start_receiver()
        try:
            yield Hub(github, scene)
        finally:
            scene.plane.stop_receiver()
