"""Opens the repository on GitHub that a block describes."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.github import GitHub
from tasks.github.client import PATIENT, GitHubClient, Patience, log_in, log_in_as_app
from tasks.github.pulls import GitHubPulls
from tasks.github.read import GitHubApi
from tasks.github.rules import GitHubRules
from tasks.github.shower import GitHubShow
from tasks.kernel.blocks import read_block
from tasks.kernel.errors import TerminalError

# A promotion is not kept waiting by what is only shown: no pause, and a minute for all of one moment.
_HURRIED = Patience(pause_seconds=0.0, answer_seconds=10, total_seconds=60.0)
_CREATE = "create one in the Prefect UI under Blocks, and name it in the field GitHub"


def no_block() -> TerminalError:
    """Return the error of a repository whose block names no `github` block."""
    return TerminalError("the git-repository block names no github block", _CREATE)


def open_github_client(name: str, patience: Patience = PATIENT) -> GitHubClient:
    """Return a login at the repository on GitHub a block describes.

    Args:
        name: The `github` block's name; empty where the repository's block names none.

    Raises:
        TerminalError: None is named, there is no such block, or it is not valid.
    """
    if not name:
        raise no_block()
    block = read_block(GitHub, name)
    if block.token is not None:
        auth = log_in(block.token.get_secret_value())
    else:
        key = block.private_key.get_secret_value() if block.private_key else ""
        auth = log_in_as_app(block.app_id or 0, block.installation_id or 0, key)
    return GitHubClient(block.repository, auth, block.base_url, patience)


def open_github(name: str) -> GitHubApi:
    """Return the repository on GitHub a block describes, to read from."""
    return GitHubApi(open_github_client(name))


def open_github_rules(name: str) -> GitHubRules:
    """Return the rules of the repository on GitHub a block describes."""
    return GitHubRules(open_github_client(name))


def open_shower(name: str) -> GitHubShow:
    """Return the repository on GitHub a block describes, to show promotions on."""
    return GitHubShow(open_github_client(name, _HURRIED))


@dataclass(frozen=True)
class PullRequestsOfRepository:
    """One login at a repository on GitHub, to read from and to change its pull requests."""

    pulls: GitHubPulls
    reading: GitHubApi

    def close(self) -> None:
        """Close the connections; neither can be used any more."""
        self.reading.close()


def open_pull_requests(name: str) -> PullRequestsOfRepository:
    """Return the pull requests of the repository on GitHub a block describes.

    Args:
        name: The `github` block's name; empty where the repository's block names none.
    """
    if not name:
        raise TerminalError(
            "the pipeline asks for pull requests, and the git-repository block names no github block",
            _CREATE,
        )
    client = open_github_client(name)
    return PullRequestsOfRepository(GitHubPulls(client), GitHubApi(client))
