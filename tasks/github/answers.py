"""What GitHub's answers are: a result, a refusal in its own words, a page of a list, or a sign to another place."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from github import GithubException
from urllib3.util import Retry

from tasks.kernel.redact import process_redactor

if TYPE_CHECKING:
    from types import TracebackType

    from urllib3 import BaseHTTPResponse
    from urllib3.connectionpool import ConnectionPool

# What GitHub asks for where it names no time itself.
SECONDARY_PAUSE_SECONDS = 60.0
# The statuses GitHub documents for what was done. Everything else below 400 is none: it was redirected, put off or cut.
_DONE = {"GET": {200}, "DELETE": {204}, "POST": {200, 201}, "PUT": {200, 201}, "PATCH": {200}}
_REDIRECTED = range(300, 400)
_LONGEST_WORDS = 64 * 1024
_PERMISSIONS = re.compile(r"[a-z_=,; ]+")
_REPOSITORY_PATH = re.compile(
    r"(/repositories/[0-9]{1,19}|/repos/[\w.-]{1,100}/[\w.-]{1,100})(?:/.*)?", re.ASCII
)
_NAME = re.compile(r"[\w-]{1,100}/[\w.-]{1,100}", re.ASCII)
# What PyGithub makes of a page for people and adds by itself, and what GitHub's refusals hold.
_NO_RESULT = frozenset({"data", "url", "message", "documentation_url", "status", "errors"})
_ORIGIN = re.compile(r"https?://[\w.:\[\]-]{1,200}", re.ASCII)


class OnlyResults(Retry):
    """Raises each answer that is neither a result nor a refusal, where PyGithub would follow it or take it as done.

    PyGithub follows a 301 without its query, asks again for ever where a read is answered with 202, and takes every
    other 3xx for a success. urllib3 asks this class about each answer before PyGithub sees it. Nothing is tried again.
    """

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Say whether an answer is to be looked at by `increment`."""
        return status_code < 400 and status_code not in _DONE.get(method, {200})  # noqa: PLR2004

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Raise an answer that is no result."""
        if response is None:
            return super().increment(method, url, response, error, _pool, _stacktrace)
        words = response.read(_LONGEST_WORDS)
        response.close()
        try:
            told = json.loads(words)
        except ValueError:
            told = {}
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise GithubException(response.status, told if isinstance(told, dict) else {}, headers)


def says_nothing(headers: Mapping[str, Any], found: object) -> bool:
    """Say whether an answer holds nothing of GitHub's: it is empty, a refusal's words, or a page of a proxy's."""
    kind = str(headers.get("content-type", "")).partition(";")[0]
    empty = set(found) <= _NO_RESULT if isinstance(found, dict) else not isinstance(found, list)
    return empty or (bool(kind) and "json" not in kind)


def has_next_page(headers: Mapping[str, Any]) -> bool:
    """Say whether a list goes on behind this page."""
    return 'rel="next"' in str(headers.get("link", ""))


def is_redirected(error: GithubException) -> bool:
    """Say whether an answer points elsewhere."""
    return error.status in _REDIRECTED and bool(_location(error))


def moved_path(error: GithubException, base_url: str) -> str:
    """Return the path of the repository a redirection points to, empty where it points to none of this API.

    Args:
        base_url: The API's address: its login is shown to nobody else.
    """
    if error.status not in _REDIRECTED:
        return ""
    there, here = urllib.parse.urlsplit(_location(error)), urllib.parse.urlsplit(base_url)
    if (there.scheme, there.netloc) != (here.scheme, here.netloc) or not there.path.startswith(here.path):
        return ""
    found = _REPOSITORY_PATH.fullmatch(there.path.removeprefix(here.path.rstrip("/")))
    return found[1] if found else ""


def other_origin(error: GithubException, base_url: str) -> str:
    """Return the scheme and host a redirection points to, empty where these are the API's own."""
    there, here = urllib.parse.urlsplit(_location(error)), urllib.parse.urlsplit(base_url)
    origin = f"{there.scheme}://{there.netloc}"
    same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    return "" if same or not _ORIGIN.fullmatch(origin) else origin


def name_of(found: Mapping[str, Any]) -> str:
    """Return the `owner/name` GitHub gives a repository, empty where it gives none."""
    name = str(found.get("full_name") or "")
    return name if _NAME.fullmatch(name) else ""


def _location(error: GithubException) -> str:
    data = error.data if isinstance(error.data, dict) else {}
    return str(headers_of(error).get("location") or data.get("url") or "")


def headers_of(error: GithubException) -> dict[str, str]:
    """Return the headers of an answer, their names in lower case."""
    return {name.lower(): str(value) for name, value in (error.headers or {}).items()}


def pause_of(error: GithubException) -> float | None:
    """Return how long GitHub wants to be left alone, None where the error is about something else."""
    if error.status not in {403, 429}:
        return None
    headers = headers_of(error)
    wait = headers.get("retry-after", "")
    if wait.isdecimal():
        return float(wait)
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdecimal():
        return max(1.0, int(headers["x-ratelimit-reset"]) - datetime.now(UTC).timestamp() + 1.0)
    return SECONDARY_PAUSE_SECONDS if error.status == 429 or "rate limit" in said(error) else None  # noqa: PLR2004


def wanted_permissions(error: GithubException) -> str:
    """Return the permissions GitHub itself asks for, such as `checks=read`; empty where it does not say."""
    told = headers_of(error).get("x-accepted-github-permissions", "")[:200]
    return told if _PERMISSIONS.fullmatch(told) else ""


def said(error: GithubException) -> str:
    """Return GitHub's own words, on one line; what a field's error says stands beside "Validation Failed"."""
    data = error.data if isinstance(error.data, dict) else {}
    errors: Any = data.get("errors")
    listed = errors if isinstance(errors, list) else []
    details = [_detail(one) if isinstance(one, dict) else str(one or "") for one in listed]
    words = [str(data.get("message") or "no reason given"), *filter(None, details)]
    return process_redactor().text(" ".join(": ".join(words).split())[:300])


def _detail(error: Mapping[str, Any]) -> str:
    """Return what is wrong with one field: its name and GitHub's code for it, where no words say it."""
    words = str(error.get("message") or "")
    named = [str(error[key]) for key in ("field", "code") if error.get(key)]
    return words or " ".join(named)
