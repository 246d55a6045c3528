"""A login at one repository on GitHub: every request, its pauses and what its refusals mean."""

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
# An unknown commit, a merge that is not allowed, a head that moved, a field that is not taken.
_NOT_SO = frozenset({405, 409, 422})
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
# How GitHub says that a plan lacks something: "Upgrade to GitHub Pro or make this repository public to enable this …".
_PLAN = "Upgrade to GitHub"
_PERMISSIONS = re.compile(r"[a-z_=,; ]+")


class Asking(NamedTuple):
    """One thing that is asked of GitHub.

    Attributes:
        what: The words a message has for what is read or changed.
        permission: What the login needs for it.
        verb: What is done with it.
    """

    what: str
    permission: str
    verb: str = "read"


class Patience(NamedTuple):
    """How long GitHub is waited for.

    Attributes:
        pause_seconds: The longest pause that is made where GitHub asks for one.
        answer_seconds: How long one answer may take.
        total_seconds: After so long nothing more is asked; None for no bound.
    """

    pause_seconds: float = LONGEST_PAUSE_SECONDS
    answer_seconds: int = _TIMEOUT_SECONDS
    total_seconds: float | None = None


PATIENT = Patience()


class GitHubClient:
    """A login at one repository on GitHub, through PyGithub.

    Args:
        repository: `owner/name`.
        auth: A token's or an app installation's login.
        base_url: The API's address, without a slash at its end.
        patience: How long GitHub is waited for.
    """

    def __init__(
        self,
        repository: str,
        auth: Auth.Auth,
        base_url: str = "https://api.github.com",
        patience: Patience = PATIENT,
    ) -> None:
        self.repository = repository
        self._auth = auth
        self._patience = patience
        self._until = None if patience.total_seconds is None else time.monotonic() + patience.total_seconds
        # Retries are the step's and the pauses below: PyGithub's own would sleep for an hour without a word.
        self._github = Github(
            auth=auth,
            base_url=base_url,
            per_page=PER_PAGE,
            timeout=patience.answer_seconds,
            retry=None,
            seconds_between_requests=None,
            lazy=True,
        )
        self.page = _web_address(base_url) + "/" + repository

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._github.close()

    def repo(self) -> Any:  # noqa: ANN401 - PyGithub's overloads hide the class
        """Return the repository, unasked: nothing is sent before a part of it is needed."""
        return self._github.get_repo(self.repository)

    @property
    def requester(self) -> Any:  # noqa: ANN401 - PyGithub types half of it
        """What PyGithub sends requests by, for the lists it has no method for."""
        return self._github.requester

    def rate_limit(self) -> Any:  # noqa: ANN401 - PyGithub's own class
        """Read how many requests are left, inside of `ask`."""
        return self._github.get_rate_limit().resources.core

    def get(self, path: str, kind: type[J], **parameters: int | str) -> J:
        """Read one JSON document, inside of `ask`.

        Args:
            path: Its path, with its slash in front.
            kind: What it has to be, `dict` or `list`.
            parameters: The query.

        Returns:
            The document.

        Raises:
            TypeError: It is of another kind: what answers is no GitHub.
            GithubException: GitHub refused.
        """
        found = self.get_any(path, **parameters)
        if not isinstance(found, kind):
            raise TypeError(path)
        return found

    def get_any(self, path: str, **parameters: int | str) -> Any:  # noqa: ANN401 - JSON
        """Read one JSON document of whatever kind, inside of `ask`; else like `get`."""
        return self._github.requester.requestJsonAndCheck("GET", path, parameters=parameters)[1]

    def pages(self, path: str, most: int = MOST_ENTRIES, **parameters: int | str) -> Iterator[dict[str, Any]]:
        """Read the entries of a list page by page, inside of `ask`; no more pages than are taken.

        Args:
            path: Its path, with its slash in front.
            most: After so many entries the list counts as read.
            parameters: The query.

        Yields:
            The entries.
        """
        for page in range(1, -(-most // PER_PAGE) + 1):
            some: list[dict[str, Any]] = self.get(path, list, per_page=PER_PAGE, page=page, **parameters)
            yield from some
            if len(some) < PER_PAGE:
                return

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change something, inside of `ask`.

        Args:
            method: `POST`, `PUT`, `PATCH` or `DELETE`.
            path: Its path, with its slash in front.
            body: The JSON document, None for none.

        Returns:
            What GitHub answered; empty where it says nothing.

        Raises:
            GithubException: GitHub refused; `ask` judges it.
        """
        found = self._github.requester.requestJsonAndCheck(method, path, input=body)[1]
        return found if isinstance(found, dict) else {}

    def ask(self, asking: Asking, ask: Callable[[], R]) -> R:
        """Ask GitHub, pausing where it says so; an answer that is an error becomes a step's error.

        A request that ran into a rate limit was not carried out, so it may be given again, a change included. Nothing
        else is given again here: whether a change that got no answer was made is for the step to look.

        Args:
            asking: What is asked.
            ask: Does it; any number of requests.

        Returns:
            What `ask` returned.

        Raises:
            TransientError: GitHub did not answer, answered 5xx, or wants to be left alone for long.
            NotThereError: GitHub has no such thing, or does not show it to this login.
            ChangeRefusedError: GitHub refused the change for what it is.
            TerminalError: The login was refused or lacks a permission, or what answers is no GitHub.
        """
        for _ in range(_PAUSES):
            if self._until is not None and time.monotonic() > self._until:
                raise TransientError(
                    f"GitHub took longer than {self._patience.total_seconds:.0f} s in all about {self.repository}",
                    "what was not shown is shown later",
                )
            try:
                self._log_in()
                return ask()
            except GithubException as error:
                pause = _pause(error)
                if pause is None:
                    raise self._judge(error, asking) from None
                if pause > self._patience.pause_seconds:
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
            f"GitHub's rate limit is used up while it was to {asking.verb} {asking.what} in {self.repository}",
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
                f"GitHub refused the app's login for {self.repository}: {said(error)}",
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

    def _judge(self, error: GithubException, asking: Asking) -> SluiceError:
        """Return what a status means."""
        what, where, words = asking.what, self.repository, said(error)
        if error.status == 401:  # noqa: PLR2004
            return TerminalError(
                f"GitHub refused the login for {where}: {words}", "renew the token in the github block"
            )
        if error.status == 403:  # noqa: PLR2004
            return _forbidden(error, asking, where)
        if error.status == 404:  # noqa: PLR2004
            return NotThereError(
                f"GitHub shows the login no {what.removeprefix('the ')} in {where}",
                f"check the repository in the github block; the login needs {asking.permission}",
            )
        if error.status in _NOT_SO:
            return _not_so(error, asking, where)
        if error.status == 408 or error.status >= 500:  # noqa: PLR2004
            return TransientError(
                f"GitHub answered with status {error.status} for {what} in {where}", "try again"
            )
        return TerminalError(
            f"GitHub answered with status {error.status} for {what} in {where}: {words}",
            "check the github block",
        )


class NotThereError(TerminalError):
    """GitHub has no such thing, or does not show it to this login."""


class ChangeRefusedError(TerminalError):
    """GitHub refused a change for what it is: a merge that is not allowed, a head that moved, a bad field.

    Args:
        what: What failed, where.
        todo: What to do next.
        detail: Further lines.
        status: GitHub's status: 405, 409 or 422.
    """

    def __init__(self, what: str, todo: str = "", detail: str = "", *, status: int = 0) -> None:
        self.status = status
        super().__init__(what, todo, detail)


def _forbidden(error: GithubException, asking: Asking, where: str) -> TerminalError:
    words = said(error)
    if _PLAN in words:
        return TerminalError(
            f"GitHub's plan does not have {asking.what} for {where}: {words}",
            "upgrade the plan, make the repository public, or do without it in pipeline.yaml",
        )
    return TerminalError(
        f"GitHub does not let the login {asking.verb} {asking.what} in {where}: {words}",
        f"give it the permission {_wanted(error) or asking.permission}",
    )


def _not_so(error: GithubException, asking: Asking, where: str) -> TerminalError:
    line = f"GitHub cannot {asking.verb} {asking.what} in {where}: {said(error)}"
    if asking.verb == "read":
        return TerminalError(line, "push the commit to GitHub, or correct the repository in the github block")
    return ChangeRefusedError(line, "look at it on GitHub", status=error.status)


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


def whole(entries: Iterable[R]) -> list[R]:
    """Return every entry of a list in pages.

    Raises:
        TerminalError: It has more than is read.
    """
    found = list(islice(entries, MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise too_many()
    return found


def too_many() -> TerminalError:
    """Return the error about a list that is longer than is read."""
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
    return SECONDARY_PAUSE_SECONDS if error.status == 429 or "rate limit" in said(error) else None  # noqa: PLR2004


def _wanted(error: GithubException) -> str:
    """Return the permissions GitHub itself asks for, such as `checks=read`; empty where it does not say."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    told = str(headers.get("x-accepted-github-permissions", ""))[:200]
    return told if _PERMISSIONS.fullmatch(told) else ""


def said(error: GithubException) -> str:
    """Return GitHub's own words, on one line; what a field's error says stands beside "Validation Failed"."""
    data = error.data if isinstance(error.data, dict) else {}
    errors: Any = data.get("errors")
    listed = errors if isinstance(errors, list) else []
    details = [one.get("message") if isinstance(one, dict) else one for one in listed]
    words = [str(data.get("message") or "no reason given"), *(str(one) for one in details if one)]
    return process_redactor().text(" ".join(": ".join(words).split())[:300])
