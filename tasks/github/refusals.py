"""What GitHub's refusals mean to a step: what failed, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tasks.github.answers import said, wanted_permissions
from tasks.kernel.errors import SluiceError, TerminalError, TransientError

if TYPE_CHECKING:
    from github import GithubException

# An unknown commit, a merge that is not allowed, a head that moved, a field that is not taken.
_NOT_SO = frozenset({405, 409, 422})
# How GitHub says that a plan lacks something: "Upgrade to GitHub Pro or make this repository public to enable this …".
_PLAN = "Upgrade to GitHub"


class Asking(NamedTuple):
    """One thing that is asked of GitHub."""

    what: str
    permission: str
    verb: str = "read"


class NotThereError(TerminalError):
    """GitHub has no such thing, or does not show it to this login."""


class ChangeRefusedError(TerminalError):
    """GitHub refused a change for what it is: a merge that is not allowed, a head that moved, a bad field.

    Args:
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
        f"give it the permission {wanted_permissions(error) or asking.permission}",
    )


def _absent(error: GithubException, asking: Asking, where: str) -> TerminalError:
    """Return what a 404 means: nothing is concluded from one that a proxy gave."""
    if not (isinstance(error.data, dict) and "message" in error.data):
        return TerminalError(
            f"the answer with status 404 for {asking.what} in {where} is not GitHub's",
            "check the API address in the github block, and what stands between here and GitHub",
        )
    return NotThereError(
        f"GitHub does not let the login see {asking.what} in {where}",
        f"check the repository in the github block; the login needs {asking.permission}",
    )


def _not_so(error: GithubException, asking: Asking, where: str) -> TerminalError:
    line = f"GitHub cannot {asking.verb} {asking.what} in {where}: {said(error)}"
    if asking.verb == "read":
        return TerminalError(line, "push the commit to GitHub, or correct the repository in the github block")
    return ChangeRefusedError(line, "look at it on GitHub", status=error.status)


def meaning(error: GithubException, asking: Asking, where: str) -> SluiceError:
    """Return what a refusal means."""
    what, words = asking.what, said(error)
    if error.status == 401:  # noqa: PLR2004
        return TerminalError(
            f"GitHub refused the login for {where}: {words}", "renew the token in the github block"
        )
    if error.status == 403:  # noqa: PLR2004
        return _forbidden(error, asking, where)
    if error.status == 404:  # noqa: PLR2004
        return _absent(error, asking, where)
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
