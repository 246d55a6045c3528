"""GitHub over its REST API, by PyGithub: reads only, whole lists, within the rate limits."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import jwt
from github import Auth, BadAttributeException, Github, GithubException
from github.CommitStatus import CommitStatus
from github.PaginatedList import PaginatedList

from blocks.values.github import Budget, CheckFact, ProtectionFact, PullRequestFact, ReviewFact
from tasks.adapters.github_facts import check_fact, protection_fact, pull_fact, review_fact, status_fact
from tasks.adapters.redact import process_redactor
from tasks.errors import SluiceError, TerminalError, TransientError

R = TypeVar("R")
J = TypeVar("J", dict[str, Any], list[dict[str, Any]])

PER_PAGE = 100
# A commit with more checks than this, or a pull request with more reviews, is refused rather than half read.
MOST_ENTRIES = 1000
# Longer waits are left to whoever runs the promotion again: GitHub counts its budget anew once in an hour.
LONGEST_PAUSE_SECONDS = 90.0
# What GitHub asks for where it names no time itself.
SECONDARY_PAUSE_SECONDS = 60.0
_PAUSES = 4
_TIMEOUT_SECONDS = 15
_UNKNOWN_COMMIT = 422
# What PyGithub and the facts make of an answer that no GitHub gives.
_NOT_GITHUB = (
    AssertionError,
    RuntimeError,
    BadAttributeException,
    TypeError,
    KeyError,
    AttributeError,
    ValueError,
)
_PERMISSIONS = re.compile(r"[a-z_=,; ]+")
_MAY_WRITE = frozenset({"admin", "write"})


class Reading(NamedTuple):
    """One thing that is read.

    Attributes:
        what: The words a message has for it.
        permission: What the login needs for it.
    """

    what: str
    permission: str


_CHECKS = Reading("the checks of the commit", "Commit statuses: read and Checks: read")
_PULLS = Reading("the pull requests of the commit", "Pull requests: read and Contents: read")
_REVIEWS = Reading("the reviews of the pull request", "Pull requests: read")
_ROLE = Reading("a reviewer's permission", "Metadata: read")
_BRANCH = Reading("the branch", "Contents: read")
_PROTECTION = Reading("the branch protection", "Administration: read")
_BUDGET = Reading("the rate limit", "Metadata: read")


class GitHubApi:
    """A repository on GitHub, as PyGithub reads it.

    Args:
        repository: `owner/name`.
        auth: A token's or an app installation's login.
        base_url: The API's address, without a slash at its end.
    """

    def __init__(self, repository: str, auth: Auth.Auth, base_url: str = "https://api.github.com") -> None:
        self.repository = repository
        self._auth = auth
        # Retries are the step's and the pauses below: PyGithub's own would sleep for an hour without a word.
        self._github = Github(
            auth=auth,
            base_url=base_url,
            per_page=PER_PAGE,
            timeout=_TIMEOUT_SECONDS,
            retry=None,
            seconds_between_requests=None,
            lazy=True,
        )
        self._page = _web_address(base_url) + "/" + repository

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._github.close()

    def commit_page(self, sha: str) -> str:
        """Return the address of a commit's page, for people."""
        return f"{self._page}/commit/{sha}"

    def checks(self, sha: str) -> tuple[CheckFact, ...]:
        """Read the newest statuses and check runs of exactly this commit."""
        return self._ask(_CHECKS, lambda: tuple(self._checks(sha)))

    def pulls(self, sha: str) -> tuple[PullRequestFact, ...]:
        """Read the pull requests a commit belongs to, without their reviews."""
        return self._ask(
            _PULLS, lambda: tuple(map(pull_fact, _whole(self._repo().get_commit(sha).get_pulls())))
        )

    def reviews(self, number: int) -> tuple[ReviewFact, ...]:
        """Read the reviews of a pull request, oldest first, and whether who gave them may write."""
        found = self._ask(_REVIEWS, lambda: _whole(self._repo().get_pull(number).get_reviews()))
        may_write: dict[str, bool] = {}
        for login in {review.user.login for review in found if review.user is not None}:
            may_write[login] = self._may_write(login)
        return self._ask(_REVIEWS, lambda: tuple(review_fact(review, may_write) for review in found))

    def protection(self, branch: str, *, details: bool) -> ProtectionFact:
        """Read what GitHub enforces on a branch, by branch protection and rulesets.

        Args:
            branch: The branch.
            details: Read also what only an administrator's login is shown: whether its history can be rewritten.
        """
        quoted = urllib.parse.quote(branch, safe="")
        path = f"/repos/{self.repository}/branches/{quoted}"
        summary: dict[str, Any] = self._ask(_BRANCH, lambda: self._get(path, dict))
        rules = self._ask(_BRANCH, lambda: self._rules(quoted))
        whole: Mapping[str, Any] = {}
        if details and summary.get("protected"):
            whole = self._ask(_PROTECTION, lambda: self._protection(f"{path}/protection"))
        page = f"{self._page}/settings/branches"
        return self._ask(_BRANCH, lambda: protection_fact(branch, summary, rules, whole, page))

    def budget(self) -> Budget:
        """Read how many requests are left; asking costs none."""
        core = self._ask(_BUDGET, lambda: self._github.get_rate_limit().resources.core)
        return Budget(limit=core.limit, remaining=core.remaining, resets_at=core.reset)

    def _repo(self) -> Any:  # noqa: ANN401 - PyGithub's overloads hide the class
        return self._github.get_repo(self.repository)

    def _checks(self, sha: str) -> Iterator[CheckFact]:
        commit = self._repo().get_commit(sha)
        # PyGithub's own get_combined_status reads one page: a commit with more statuses would look green.
        statuses: PaginatedList[CommitStatus] = PaginatedList(
            CommitStatus, self._github.requester, f"{commit.url}/status", None, list_item="statuses"
        )
        yield from map(status_fact, _whole(statuses))
        yield from map(check_fact, _whole(commit.get_check_runs(filter="latest")))

    def _may_write(self, login: str) -> bool:
        try:
            role: str = self._ask(_ROLE, lambda: self._repo().get_collaborator_permission(login))
        except _NotThereError:
            # Nobody of that name any more, or an app: neither's review counts on GitHub.
            return False
        return role in _MAY_WRITE

    def _get(self, path: str, kind: type[J], **parameters: int) -> J:
        found = self._github.requester.requestJsonAndCheck("GET", path, parameters=parameters)[1]
        if not isinstance(found, kind):
            raise TypeError(path)
        return found

    def _rules(self, branch: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        # PyGithub knows no rulesets yet, so their pages are turned here.
        for page in range(1, MOST_ENTRIES // PER_PAGE + 1):
            path = f"/repos/{self.repository}/rules/branches/{branch}"
            some: list[dict[str, Any]] = self._get(path, list, per_page=PER_PAGE, page=page)
            found += some
            if len(some) < PER_PAGE:
                return found
        raise _too_many()

    def _protection(self, path: str) -> Mapping[str, Any]:
        try:
            return self._get(path, dict)
        except GithubException as error:
            # A branch that only rulesets protect says so with this 404.
            if error.status == 404 and _said(error) == "Branch not protected":  # noqa: PLR2004
                return {}
            raise

    def _ask(self, reading: Reading, ask: Callable[[], R]) -> R:
        """Ask GitHub, pausing where it says so; an answer that is an error becomes a step's error."""
        for _ in range(_PAUSES):
            try:
                self._log_in()
                return ask()
            except GithubException as error:
                pause = _pause(error)
                if pause is None:
                    raise self._judge(error, reading) from None
                if pause > LONGEST_PAUSE_SECONDS:
                    break
                time.sleep(pause)
            except OSError as error:
                raise self._no_answer(error) from None
            except _NOT_GITHUB as error:
                raise TerminalError(
                    f"what answers for GitHub about {self.repository} is not its API ({type(error).__name__})",
                    "check the API address in the github block",
                ) from error
        raise TransientError(
            f"GitHub's rate limit is used up while reading {reading.what} in {self.repository}",
            "wait until GitHub counts anew, within the hour, or give the github block an app of its own",
        )

    def _log_in(self) -> None:
        """Get the installation's token now, so that what is wrong with the app is told as such."""
        if not isinstance(self._auth, Auth.AppInstallationAuth):
            return
        try:
            process_redactor().add(self._auth.token)
        except GithubException as error:
            if _pause(error) is not None or error.status >= 500:  # noqa: PLR2004
                raise
            raise TerminalError(
                f"GitHub refused the app's login for {self.repository}: {_said(error)}",
                "check app_id, installation_id and private_key in the github block",
            ) from None
        except (ValueError, jwt.PyJWTError):
            raise TerminalError(
                f"the app's private key for {self.repository} cannot be read",
                "download a new one from the app's settings into the github block",
            ) from None

    def _no_answer(self, error: OSError) -> TransientError:
        text = process_redactor().text(type(error).__name__)
        return TransientError(
            f"GitHub does not answer about {self.repository}: {text}",
            "check the API address in the github block, and the network",
        )

    def _judge(self, error: GithubException, reading: Reading) -> SluiceError:
        """Return what a status means."""
        what, where, said = reading.what, self.repository, _said(error)
        if error.status == 401:  # noqa: PLR2004
            return TerminalError(
                f"GitHub refused the login for {where}: {said}", "renew the token in the github block"
            )
        if error.status == 403:  # noqa: PLR2004
            return TerminalError(
                f"GitHub does not let the login read {what} in {where}: {said}",
                f"give it the permission {_wanted(error) or reading.permission}",
            )
        if error.status == 404:  # noqa: PLR2004
            return _NotThereError(
                f"GitHub shows the login no {what.removeprefix('the ')} in {where}",
                f"check the repository in the github block; the login needs {reading.permission}",
            )
        if error.status == _UNKNOWN_COMMIT:
            return TerminalError(
                f"GitHub cannot show {what} in {where}: {said}",
                "push the commit to GitHub, or correct the repository in the github block",
            )
        if error.status == 408 or error.status >= 500:  # noqa: PLR2004
            return TransientError(
                f"GitHub answered with status {error.status} for {what} in {where}", "try again"
            )
        return TerminalError(
            f"GitHub answered with status {error.status} for {what} in {where}: {said}",
            "check the github block",
        )


class _NotThereError(TerminalError):
    """GitHub has no such thing, or does not show it to this login."""


def log_in(token: str) -> Auth.Auth:
    """Return the login of a token; the token is redacted from now on."""
    process_redactor().add(token)
    return Auth.Token(token)


def log_in_as_app(app_id: int, installation_id: int, private_key: str) -> Auth.Auth:
    """Return the login of an app's installation; its tokens are got when they are needed."""
    process_redactor().add(private_key)
    return Auth.AppAuth(app_id, private_key).get_installation_auth(installation_id)


def _web_address(base_url: str) -> str:
    """Return where people look: github.com, or the Enterprise server itself."""
    parts = urllib.parse.urlsplit(base_url)
    if parts.path.rstrip("/") == "/api/v3" or not (parts.hostname or "").startswith("api."):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"


def _whole(entries: Iterable[R]) -> list[R]:
    """Return every entry of a list in pages.

    Raises:
        TerminalError: It has more than is read.
    """
    found = list(islice(entries, MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise _too_many()
    return found


def _too_many() -> TerminalError:
    return TerminalError(
        f"GitHub lists more than {MOST_ENTRIES} entries where a gate asks",
        "half of them would decide nothing: name this in an issue of Sluice",
    )


def _pause(error: GithubException) -> float | None:
    """Return how long GitHub wants to be left alone, None where the error is about something else."""
    if error.status not in {403, 429}:
        return None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    wait = headers.get("retry-after", "")
    if wait.isdigit():
        return float(wait)
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
        return max(1.0, int(headers["x-ratelimit-reset"]) - datetime.now(UTC).timestamp() + 1.0)
    return SECONDARY_PAUSE_SECONDS if error.status == 429 or "rate limit" in _said(error) else None  # noqa: PLR2004


def _wanted(error: GithubException) -> str:
    """Return the permissions GitHub itself asks for, such as `checks=read`; empty where it does not say."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    told = str(headers.get("x-accepted-github-permissions", ""))[:200]
    return told if _PERMISSIONS.fullmatch(told) else ""


def _said(error: GithubException) -> str:
    """Return GitHub's own words, on one line."""
    data = error.data if isinstance(error.data, dict) else {}
    text = " ".join(str(data.get("message") or "no reason given").split())[:200]
    return process_redactor().text(text)
