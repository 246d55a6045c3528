"""GitHub's GraphQL API, for what its REST API cannot do; its refusals come with status 200."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from github import GithubException

from tasks.kernel.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.github.client import GitHubClient

# What GitHub calls its refusals, as the status the REST API gives the same; others are of the change itself.
_STATUSES = {
    "NOT_FOUND": 404,
    "FORBIDDEN": 403,
    "INSUFFICIENT_SCOPES": 403,
    "RATE_LIMITED": 403,
    "INTERNAL": 502,
    "SERVICE_UNAVAILABLE": 502,
}
_REFUSED = 422


def mutate(client: GitHubClient, name: str, wanted: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Change something, inside of `ask`; `wanted` are the fields of its answer.

    Raises:
        TransientError: It answered without refusing and without having done it.
    """
    try:
        found = client.requester.graphql_named_mutation(name, dict(values), wanted)[1]
    except GithubException as error:
        raise as_rest(error) from None
    # Fields that were not asked for, such as `clientMutationId`, may be null.
    if not isinstance(found, dict) or found.get(wanted.partition(" ")[0]) is None:
        raise TransientError(f"GitHub does not confirm {name} in {client.repository}", "look at it on GitHub")
    return found


def who_am_i(client: GitHubClient) -> str:
    """Return the login's own name, inside of `ask`; an app's ends with `[bot]`."""
    try:
        found = client.requester.graphql_query("query { viewer { login } }", {})[1]
    except GithubException as error:
        raise as_rest(error) from None
    return str(found["data"]["viewer"]["login"])


def as_rest(error: GithubException) -> GithubException:
    """Return a refusal as the REST API would give it."""
    errors = error.data.get("errors") if isinstance(error.data, dict) else None
    if error.status not in {400, 404} or not isinstance(errors, list):
        return error
    found = [one for one in errors if isinstance(one, dict)]
    kinds = [str(one.get("type") or "") for one in found]
    status = next((_STATUSES[kind] for kind in kinds if kind in _STATUSES), _REFUSED)
    words = "; ".join(str(one.get("message") or "no reason given") for one in found)
    # The pause after a rate limit is known by these words, which GraphQL's own may lack.
    limited = "rate limit: " if "RATE_LIMITED" in kinds else ""
    return GithubException(status, {"message": f"{limited}{words}"}, error.headers)
