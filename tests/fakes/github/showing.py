"""Deployments, commit statuses, comments and releases of the fake GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.fakes.github import shapes, shown
from tests.fakes.github.pulls import SECONDARY, login_of
from tests.fakes.github.server import Refusal, body_of, page_of
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

_REPO = "/repos/{owner}/{name}"
_DEPLOYMENT_STATES = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
_COMMIT_STATES = {"error", "failure", "pending", "success"}
_LONGEST_DESCRIPTION = 140
_LONGEST_COMMENT = 65_536
_LONGEST_NOTES = 125_000
_MOST_STATUSES = 1000


def add_routes(app: FastAPI, github: FakeGitHub) -> None:
    """Add what showing asks for."""
    _deployments(app, github)
    _statuses(app, github)
    _comments(app, github)
    _releases(app, github)


def comments_on(github: FakeGitHub, number: int) -> list[str]:
    """Return the texts of a pull request's comments, oldest first."""
    return [one["body"] for one in github.pull_state.comments.get(number, [])]


def _required(body: JSON, resource: str, *names: str) -> None:
    for name in names:
        if not body.get(name):
            raise Refusal(422, "Validation Failed", errors=shown.invalid(resource, name, "missing_field"))


def _chosen(body: JSON, name: str, allowed: set[str], resource: str) -> None:
    if body.get(name) not in allowed:
        errors = shown.invalid(resource, name, "custom", f"{name} is not included in the list")
        raise Refusal(422, "Validation Failed", errors=errors)


def _short(text: object, limit: int, resource: str, name: str) -> None:
    if len(str(text or "")) > limit:
        message = f"{name} is too long (maximum is {limit} characters)"
        raise Refusal(422, "Validation Failed", errors=shown.invalid(resource, name, "custom", message))


def _deployments(app: FastAPI, github: FakeGitHub) -> None:
    @app.get(f"{_REPO}/deployments")
    def deployments(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "deployments")
        wanted = {key: request.query_params.get(key) for key in ("sha", "ref", "task", "environment")}
        every = [
            one
            for one in github.shown.deployments
            if all(value in {None, "none", one[key]} for key, value in wanted.items())
        ]
        page, links = page_of(request, every)
        return JSONResponse(page, headers=links)

    @app.post(f"{_REPO}/deployments")
    async def deploy(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "deployments", write=True)
        body = await body_of(request)
        _required(body, "Deployment", "ref")
        branch = github.pull_state.branches.get(body["ref"])
        sha = branch.sha if branch is not None else body["ref"]
        if sha not in github.statuses:
            raise Refusal(422, f"No ref found for: {body['ref']}")
        contexts = body.get("required_contexts")
        green = {one["context"] for one in github.statuses[sha] if one["state"] == "success"}
        needed = {one["context"] for one in github.statuses[sha]} if contexts is None else set(contexts)
        if needed - green:
            errors = [
                {
                    "contexts": [{"context": one, "state": "pending"} for one in sorted(needed - green)],
                    "resource": "Deployment",
                    "field": "required_contexts",
                    "code": "invalid",
                }
            ]
            raise Refusal(409, f"Conflict: Commit status checks failed for {body['ref']}.", errors=errors)
        made = shown.deployment(
            github.base, github.repository, github.next_number(), login_of(github, request), sha, body
        )
        github.shown.deployments.insert(0, made)
        github.shown.states[made["id"]] = []
        return JSONResponse(made, 201)

    @app.get(f"{_REPO}/deployments/{{number}}/statuses")
    def states(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "deployments")
        if number not in github.shown.states:
            raise Refusal(404, "Not Found")
        page, links = page_of(request, github.shown.states[number])
        return JSONResponse(page, headers=links)

    @app.post(f"{_REPO}/deployments/{{number}}/statuses")
    async def set_state(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "deployments", write=True)
        body = await body_of(request)
        parent = next((one for one in github.shown.deployments if one["id"] == number), None)
        if parent is None:
            raise Refusal(404, "Not Found")
        _chosen(body, "state", _DEPLOYMENT_STATES, "DeploymentStatus")
        _short(body.get("description"), _LONGEST_DESCRIPTION, "DeploymentStatus", "description")
        made = _add_state(github, parent, login_of(github, request), body)
        if body["state"] == "success" and body.get("auto_inactive", True):
            _close_others(github, parent)
        return JSONResponse(made, 201)


def _add_state(github: FakeGitHub, parent: JSON, login: str, body: JSON) -> JSON:
    made = shown.deployment_status(github.base, parent, github.next_number(), login, body)
    github.shown.states[parent["id"]].insert(0, made)
    return made


def _close_others(github: FakeGitHub, parent: JSON) -> None:
    """Do what `auto_inactive` says: of production and transient ones none is closed."""
    for one in github.shown.deployments:
        if one["id"] >= parent["id"] or one["environment"] != parent["environment"]:
            continue
        states = github.shown.states[one["id"]]
        kept = one["transient_environment"] or one["production_environment"]
        if not kept and states and states[0]["state"] == "success":
            _add_state(github, one, "github", {"state": "inactive"})


def _statuses(app: FastAPI, github: FakeGitHub) -> None:
    @app.get(f"{_REPO}/commits/{{sha}}/statuses")
    def statuses(request: Request, owner: str, name: str, sha: str) -> JSONResponse:
        github.allow(request, owner, name, "statuses")
        github.known(sha)
        page, links = page_of(request, github.shown.statuses.get(sha, []))
        return JSONResponse(page, headers=links)

    @app.post(f"{_REPO}/statuses/{{sha}}")
    async def set_status(request: Request, owner: str, name: str, sha: str) -> JSONResponse:
        github.allow(request, owner, name, "statuses", write=True)
        body = await body_of(request)
        github.known(sha)
        _chosen(body, "state", _COMMIT_STATES, "Status")
        _short(body.get("description"), _LONGEST_DESCRIPTION, "Status", "description")
        context = body.get("context", "default")
        every = github.shown.statuses.setdefault(sha, [])
        if sum(one["context"] == context for one in every) >= _MOST_STATUSES:
            errors = shown.invalid("Status", "base", "custom", "This SHA and context has reached the maximum")
            raise Refusal(422, "Validation Failed", errors=errors)
        github.report_status(sha, context, body["state"])
        made = github.statuses[sha][0] | {
            "creator": shapes.user(github.base, login_of(github, request)),
            "description": body.get("description"),
            "target_url": body.get("target_url"),
        }
        github.statuses[sha][0] = made
        every.insert(0, made)
        return JSONResponse(made, 201)


def _comments(app: FastAPI, github: FakeGitHub) -> None:
    def known(number: int) -> None:
        if number not in github.reviews:
            raise Refusal(404, "Not Found")

    def find(comment: int) -> tuple[list[JSON], JSON]:
        for every in github.pull_state.comments.values():
            for one in every:
                if one["id"] == comment:
                    return every, one
        raise Refusal(404, "Not Found")

    def valid(body: JSON) -> str:
        _required(body, "IssueComment", "body")
        _short(body["body"], _LONGEST_COMMENT, "IssueComment", "body")
        return str(body["body"])

    @app.get(f"{_REPO}/issues/{{number}}/comments")
    def comments(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        known(number)
        page, links = page_of(request, github.pull_state.comments.get(number, []))
        return JSONResponse(page, headers=links)

    @app.post(f"{_REPO}/issues/{{number}}/comments")
    async def write(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests", write=True)
        text = valid(await body_of(request))
        known(number)
        if github.pull_state.refused_writes > 0:
            github.pull_state.refused_writes -= 1
            raise Refusal(403, SECONDARY, {"retry-after": "1"})
        made = shapes.issue_comment(
            github.base, github.repository, number, github.next_number(), login_of(github, request), text
        )
        github.pull_state.comments.setdefault(number, []).append(made)
        return JSONResponse(made, 201)

    @app.patch(f"{_REPO}/issues/comments/{{comment}}")
    async def edit(request: Request, owner: str, name: str, comment: int) -> JSON:
        github.allow(request, owner, name, "pull_requests", write=True)
        text = valid(await body_of(request))
        found = find(comment)[1]
        found["body"] = text
        return found

    @app.delete(f"{_REPO}/issues/comments/{{comment}}", status_code=204)
    def remove(request: Request, owner: str, name: str, comment: int) -> Response:
        github.allow(request, owner, name, "pull_requests", write=True)
        every, one = find(comment)
        every.remove(one)
        return Response(status_code=204)


def _releases(app: FastAPI, github: FakeGitHub) -> None:
    @app.get(f"{_REPO}/releases/tags/{{tag:path}}")
    def by_tag(request: Request, owner: str, name: str, tag: str) -> JSON:
        github.allow(request, owner, name, "contents")
        if tag not in github.shown.releases:
            raise Refusal(404, "Not Found")
        return github.shown.releases[tag]

    @app.post(f"{_REPO}/releases")
    async def publish(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "contents", write=True)
        body = await body_of(request)
        _required(body, "Release", "tag_name")
        _short(body.get("body"), _LONGEST_NOTES, "Release", "body")
        if body["tag_name"] in github.shown.releases:
            errors = shown.invalid("Release", "tag_name", "already_exists")
            raise Refusal(422, "Validation Failed", errors=errors)
        made = shown.release(
            github.base, github.repository, github.next_number(), login_of(github, request), body
        )
        github.shown.releases[body["tag_name"]] = made
        return JSONResponse(made, 201)
