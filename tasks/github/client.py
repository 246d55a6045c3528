"""A login at one repository on GitHub: every request, its pauses and what its refusals mean."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import jwt
from github import Auth, BadAttributeException, Github, GithubException

from tasks.github.answers import (
    OnlyResults,
    has_next_page,
    is_redirected,
    moved_path,
    name_of,
    other_origin,
    pause_of,
    said,
    says_nothing,
)
from tasks.github.refusals import Asking, meaning
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.kernel.redact import process_redactor

R = TypeVar("R")
J = TypeVar("J", dict[str, Any], list[dict[str, Any]])

PER_PAGE = 100
# A commit with more checks than this, or a pull request with more reviews, is refused rather than half read.
MOST_ENTRIES = 1000
# Longer waits are left to whoever runs the promotion again: GitHub counts its budget anew once in an hour.
LONGEST_PAUSE_SECONDS = 90.0
_PAUSES = 4
_TIMEOUT_SECONDS = 15
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
# A repository's old name leads to its number, and that to the repository.
_MOST_SIGNS = 3
# Of a list that is given out in small pages.
_MOST_PAGES = 100


class Patience(NamedTuple):
    """How long GitHub is waited for.

    Attributes:
        total_seconds: After so long nothing more is asked; None for no bound.
    """

    pause_seconds: float = LONGEST_PAUSE_SECONDS
    answer_seconds: int = _TIMEOUT_SECONDS
    total_seconds: float | None = None


PATIENT = Patience()


class GitHubClient:
    """A login at one repository on GitHub, through PyGithub.

    Args:
        base_url: The API's address, without a slash at its end.
    """

    def __init__(
        self,
        repository: str,
        auth: Auth.Auth,
        base_url: str = "https://api.github.com",
        patience: Patience = PATIENT,
    ) -> None:
        self.repository = repository
        self._base_url = base_url
        self._auth = auth
        self._patience = patience
        self._until = None if patience.total_seconds is None else time.monotonic() + patience.total_seconds
        # Retries are the step's and the pauses below: PyGithub's own would sleep for an hour without a word.
        self._github = Github(
            auth=auth,
            base_url=base_url,
            per_page=PER_PAGE,
            timeout=patience.answer_seconds,
            retry=OnlyResults(0, read=False),
            seconds_between_requests=None,
            lazy=True,
        )
        self.page = _web_address(base_url) + "/" + repository

    def close(self) -> None:
        """Close its connections; it can be used no more."""
        self._github.close()

    @property
    def requester(self) -> Any:  # noqa: ANN401 - PyGithub types half of it
        """What PyGithub sends requests by, for the lists it has no method for."""
        return self._github.requester

    def rate_limit(self) -> Any:  # noqa: ANN401 - PyGithub's own class
        """Read how many requests are left, inside of `ask`."""
        return self._github.get_rate_limit().resources.core

    def get(self, path: str, kind: type[J], **parameters: int | str) -> J:
        """Read one JSON document, inside of `ask`."""
        found = self.get_any(path, **parameters)
        if not isinstance(found, kind):
            raise TypeError(path)
        return found

    def get_any(self, path: str, **parameters: int | str) -> Any:  # noqa: ANN401 - JSON
        """Read one JSON document of whatever kind, inside of `ask`; else like `get`."""
        return self._asked("GET", path, parameters=parameters)[1]

    def pages(
        self, path: str, *, most: int | None = None, under: str = "", **parameters: str
    ) -> Iterator[dict[str, Any]]:
        """Read the entries of a list page by page, inside of `ask`; no more pages than are taken.

        Args:
            most: After so many entries the list counts as read; None where all of it must be read.
            under: Its key, where it stands in an object.

        Raises:
            TerminalError: It has more entries than are read.
        """
        read = 0
        for page in range(1, _MOST_PAGES + 1):
            asked = {"per_page": PER_PAGE, "page": page, **parameters}
            headers, found = self._asked("GET", path, parameters=asked)
            some = found[under] if under else found
            if not isinstance(some, list) or not all(isinstance(one, dict) for one in some):
                raise TypeError(path)
            yield from some
            read += len(some)
            # A server may give out fewer at a time than it is asked for: where the list ends is said beside it.
            if len(some) < PER_PAGE and not has_next_page(headers):
                return
            if read >= (most or MOST_ENTRIES):
                break
        if most is None:
            raise too_many()

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change something, inside of `ask`."""
        found = self._asked(method, path, input=body)[1]
        if method == "DELETE":
            return {}
        if not isinstance(found, dict):
            raise TypeError(path)
        return found

    def one(self, asking: Asking, path: str, make: Callable[[dict[str, Any]], R], **parameters: str) -> R:
        """Ask for one JSON object, and make of it what is wanted; what cannot be made of it is not GitHub's."""
        return self.ask(asking, lambda: make(self.get(path, dict, **parameters)))

    def listed(
        self,
        asking: Asking,
        path: str,
        make: Callable[[dict[str, Any]], R],
        *,
        under: str = "",
        **wanted: str,
    ) -> tuple[R, ...]:
        """Ask for a whole list, as plain JSON: PyGithub would ask again for each field that may be null."""
        return self.ask(asking, lambda: tuple(map(make, self.pages(path, most=None, under=under, **wanted))))

    def change(
        self, asking: Asking, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask for a change."""
        return self.ask(asking, lambda: self.send(method, path, body))

    def _asked(self, method: str, path: str, **more: Any) -> tuple[Mapping[str, Any], Any]:  # noqa: ANN401 - JSON
        headers, found = self._github.requester.requestJsonAndCheck(method, path, **more)
        if method != "DELETE" and says_nothing(headers, found):
            raise TypeError(path)
        return headers, found

    def ask(self, asking: Asking, ask: Callable[[], R]) -> R:
        """Ask GitHub, pausing where it says so; an answer that is an error becomes a step's error.

        A request that ran into a rate limit was not carried out, so it may be given again, a change included. Nothing
        else is given again here: whether a change that got no answer was made is for the step to look.

        Raises:
            TransientError: GitHub did not answer, answered 5xx or 202, or wants to be left alone for long.
            NotThereError: GitHub has no such thing, or does not show it to this login.
            ChangeRefusedError: GitHub refused the change for what it is.
            TerminalError: The login was refused or lacks a permission, the repository has another name now, or what
                answers is no GitHub.
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
                pause = pause_of(error)
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
            "wait until GitHub's limit starts again, within the hour, or give the github block an app of its own",
        )

    def _log_in(self) -> None:
        """Get the installation's token now, so that what is wrong with the app is reported as such."""
        if not isinstance(self._auth, Auth.AppInstallationAuth):
            return
        try:
            process_redactor().add(self._auth.token)
        except GithubException as error:
            if pause_of(error) is not None or error.status >= 500 or error.status < 400:  # noqa: PLR2004
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
        if error.status < 400:  # noqa: PLR2004
            return self._no_result(error, asking)
        return meaning(error, asking, self.repository)

    def _no_result(self, error: GithubException, asking: Asking) -> SluiceError:
        what, where = asking.what, self.repository
        if error.status == 202:  # noqa: PLR2004
            return TransientError(
                f"GitHub has not done yet (status 202) what was to {asking.verb} {what} in {where}",
                "try again",
            )
        if not is_redirected(error):
            return TerminalError(
                f"GitHub answered with status {error.status}, which is no result, for {what} in {where}",
                "check the API address in the github block, and what is between here and GitHub",
            )
        start = f"GitHub redirected (status {error.status}) what was to {asking.verb} {what} in {where}"
        name, path = self._name_now(error), moved_path(error, self._base_url)
        if path and name.casefold() == where.casefold():
            return TerminalError(
                f"{start}, within the same repository: it has another name there now, as a branch that was renamed",
                f"look at the branches of {self.page}, and set the new name in pipeline.yaml and git-repository",
            )
        if name and name.casefold() != where.casefold():
            return TerminalError(
                f"{start}: {where} is {name} now; it was not followed",
                f"set the new name in the github block: {name}; and in git-repository and github-webhooks as well",
            )
        origin = other_origin(error, self._base_url)
        return TerminalError(
            f"{start}{f' to {origin}' if origin else ''}: it was not followed, and the new name is not shown",
            f"look where {self.page} leads, and set that name in the github block; or correct its API address",
        )

    def _name_now(self, error: GithubException) -> str:
        """Ask for the repository's name behind a redirection, at the API only; empty where it tells none."""
        path = moved_path(error, self._base_url) or f"/repos/{self.repository}"
        for _ in range(_MOST_SIGNS):
            try:
                name = name_of(self.get(path, dict))
            except GithubException as again:
                further = moved_path(again, self._base_url)
                if further in {"", path}:
                    break
                path = further
            except (OSError, *_NOT_GITHUB):
                break
            else:
                return name
        return ""


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


def too_many() -> TerminalError:
    """Return the error about a list that is longer than is read."""
    return TerminalError(
        f"GitHub lists more than {MOST_ENTRIES} entries where a gate asks",
        "half of them would decide nothing: name this in an issue of Sluice",
    )
