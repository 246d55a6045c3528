"""What the dispatcher knows of an application: its repository as it is now, and the triggers of its pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from blocks.git_repository import GitRepository
from blocks.github_webhooks import GitHubWebhooks
from blocks.settings import Settings
from deployments.control_plane.environment import WEBHOOKS_BLOCK
from deployments.control_plane.prefect_api import PrefectApi
from flows.core.session import open_mirror, read_pipeline
from flows.domain.pull_requests.choose import Tending, tending_of
from flows.domain.triggers.decide import TriggerRule, rules_of
from tasks.git.mirror import GitMirror
from tasks.images.resolve import read_policy
from tasks.kernel.blocks import parse_block
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor

B = TypeVar("B", GitHubWebhooks, GitRepository)


@dataclass(frozen=True)
class Application:
    """One application, as of the last look: its mirror, where branches and tags are, what starts a run where."""

    repository: str
    mirror: GitMirror
    rules: tuple[TriggerRule, ...]
    refs: dict[str, str]
    tending: Tending

    def has_commit(self, sha: str) -> bool:
        """Say whether the repository has a commit; of no commit that it has."""
        return not sha or sha in self.refs.values() or self.mirror.has_commit(sha)


class Blocks:
    """The blocks the receiver needs, read from Prefect's server; what was read last counts while it is away.

    Attributes:
        webhooks: Secrets and repositories, None where they could not be read yet.
    """

    def __init__(self, api: PrefectApi) -> None:
        self._api = api
        self.webhooks: GitHubWebhooks | None = None
        self._repositories: dict[str, GitRepository] = {}

    def read_webhooks(self) -> None:
        """Read secrets and repositories anew: a secret may have been changed."""
        found = self._read(GitHubWebhooks, WEBHOOKS_BLOCK[1])
        process_redactor().add(*(one.get_secret_value() for one in found.secrets))
        self.webhooks = found

    def repository(self, name: str) -> GitRepository:
        """Return the block of a repository; while the server is away, the one read last."""
        try:
            self._repositories[name] = self._read(GitRepository, name)
        except TransientError:
            if name not in self._repositories:
                raise
        return self._repositories[name]

    def _read(self, kind: type[B], name: str) -> B:
        return parse_block(kind, name, self._api.block_document(kind.get_block_type_slug(), name))


@dataclass(frozen=True)
class Applications:
    """The applications that deliveries are about."""

    settings: Settings
    blocks: Blocks

    def names(self) -> tuple[str, ...]:
        """Return the repositories that are configured."""
        webhooks = self.blocks.webhooks
        return tuple(webhooks.repositories) if webhooks else ()

    def source(self, repository: str) -> str:
        """Return the name of the `git-repository` block of a repository, `owner/name` as it is configured."""
        webhooks = self.blocks.webhooks
        if webhooks is None:
            raise TransientError("the block of the webhooks could not be read yet", "see the receiver's log")
        source = webhooks.repositories.get(repository)
        if source is None:
            raise TerminalError(
                f"{repository} is not configured any more", f"add it to the block {'/'.join(WEBHOOKS_BLOCK)}"
            )
        return source

    def read(self, repository: str) -> Application:
        """Fetch a repository and read its pipeline's triggers."""
        source = self.source(repository)
        block = self.blocks.repository(source)
        mirror = open_mirror(block, self.settings)
        mirror.fetch()
        text = read_policy(mirror, block.default_branch, block.pipeline_path)
        pipeline = read_pipeline(text, block.pipeline_path)
        return Application(repository, mirror, rules_of(pipeline), mirror.heads(), tending_of(pipeline))
