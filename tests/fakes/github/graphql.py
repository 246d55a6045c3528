"""The fake's GraphQL: the mutations of pull requests, refused as GitHub refuses them, with status 200."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.fakes.github import pulls, shapes
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.github.server import FakeGitHub

_MUTATION = re.compile(r"^\s*mutation\s+\w+\(\$input: (\w+)!\)\s*\{\s*(\w+)\(input: \$input\)")
_FIELDS = {
    "enablePullRequestAutoMerge": {
        "pullRequestId",
        "authorEmail",
        "clientMutationId",
        "commitBody",
        "commitHeadline",
        "expectedHeadOid",
        "mergeMethod",
    },
    "disablePullRequestAutoMerge": {"pullRequestId", "clientMutationId"},
    "revertPullRequest": {"pullRequestId", "title", "body", "draft", "clientMutationId"},
}


class GraphQLError(Exception):
    """An error of a query.

    Args:
        kind: GitHub's word for it.
        message: GitHub's words.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind, self.message = kind, message
        super().__init__(message)


def answer(github: FakeGitHub, body: JSON, login: str, permissions: frozenset[str]) -> JSON:
    """Answer a query."""
    query, values = str(body.get("query", "")), (body.get("variables") or {}).get("input") or {}
    if re.fullmatch(r"\s*query\s*\{\s*viewer\s*\{\s*login\s*\}\s*\}\s*", query):
        return {"data": {"viewer": {"login": login}}}
    found = _MUTATION.match(query)
    name = found[2] if found else ""
    if name not in _FIELDS or not found or found[1] != f"{name[0].upper()}{name[1:]}Input":
        return _failed("", "undefinedField", f"Field '{name}' doesn't exist on type 'Mutation'")
    unknown = set(values) - _FIELDS[name]
    if unknown or not values.get("pullRequestId"):
        said = f"Variable $input of type {found[1]}! was provided invalid value"
        return _failed("", "INVALID_VALUE", f"{said} for {', '.join(sorted(unknown)) or 'pullRequestId'}")
    try:
        if not {"pull_requests:write", "contents:write"} <= permissions:
            raise GraphQLError("FORBIDDEN", "Resource not accessible by personal access token")
        number = _number(github, values["pullRequestId"])
        return {"data": {name: _MUTATIONS[name](github, number, login, values)}}
    except GraphQLError as error:
        return _failed(name, error.kind, error.message)


def _failed(name: str, kind: str, message: str) -> JSON:
    error: JSON = {"message": message, "locations": [{"line": 1, "column": 1}]}
    if not name:
        return {"errors": [error | {"extensions": {"code": kind}}]}
    return {"data": {name: None}, "errors": [error | {"type": kind, "path": [name]}]}


def _number(github: FakeGitHub, node_id: str) -> int:
    for number, pull in github.pull_state.known.items():
        if pull["node_id"] == node_id:
            return number
    raise GraphQLError("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'")


def _enable(github: FakeGitHub, number: int, login: str, values: dict[str, Any]) -> JSON:
    state = github.pull_state
    pull, method = state.known[number], values.get("mergeMethod", "MERGE")
    if method not in {"MERGE", "SQUASH", "REBASE"} or method.lower() not in state.merge_methods:
        raise GraphQLError("UNPROCESSABLE", f"Merge method {method.lower()} merging is not allowed")
    if pull["state"] != "open":
        raise GraphQLError("UNPROCESSABLE", "Can't enable auto-merge for this pull request")
    if not state.allow_auto_merge:
        raise GraphQLError("UNPROCESSABLE", "Pull request Auto merge is not allowed for this repository")
    if values.get("expectedHeadOid") not in {None, pull["head"]["sha"]}:
        raise GraphQLError("UNPROCESSABLE", pulls.HEAD_MOVED)
    if not github.branches.get(pull["base"]["ref"]) and not github.rules.get(pull["base"]["ref"]):
        raise GraphQLError(
            "UNPROCESSABLE", "Pull request Protected branch rules not configured for this branch"
        )
    standing = pulls.standing(github, number)[0]
    if standing != "blocked":
        raise GraphQLError("UNPROCESSABLE", f"Pull request Pull request is in {standing} status")
    pull["auto_merge"] = {
        "enabled_by": shapes.user(github.base, login),
        "merge_method": method.lower(),
        "commit_title": None,
        "commit_message": None,
    }
    state.methods[number] = method.lower()
    return {"pullRequest": {"number": number}, "actor": {"login": login}, "clientMutationId": None}


def _disable(github: FakeGitHub, number: int, login: str, _values: dict[str, Any]) -> JSON:
    pull = github.pull_state.known[number]
    if not pull["auto_merge"]:
        raise GraphQLError("UNPROCESSABLE", "Can't disable auto-merge for this pull request")
    pull["auto_merge"] = None
    github.pull_state.methods.pop(number, None)
    return {"pullRequest": {"number": number}, "actor": {"login": login}, "clientMutationId": None}


def _revert(github: FakeGitHub, number: int, login: str, values: dict[str, Any]) -> JSON:
    pull = github.pull_state.known[number]
    if pull["merged_at"] is None:
        raise GraphQLError("UNPROCESSABLE", "Pull request is not merged")
    made = pulls.make_revert(github, number, login, values)
    if made is None:
        raise GraphQLError("UNPROCESSABLE", pulls.CANNOT_REVERT)
    return {"pullRequest": {"number": number}, "revertPullRequest": {"number": made["number"]}}


_MUTATIONS: dict[str, Callable[[FakeGitHub, int, str, dict[str, Any]], JSON]] = {
    "enablePullRequestAutoMerge": _enable,
    "disablePullRequestAutoMerge": _disable,
    "revertPullRequest": _revert,
}
