"""Pull requests of the fake GitHub: listed, and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.fakes.github import shown
from tests.fakes.github.server import Refusal, body_of, page_of
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

_REPO = "/repos/{owner}/{name}"


def every_pull(github: FakeGitHub) -> list[JSON]:
    """Return all pull requests, the newest first; one that several commits belong to once."""
    found = {one["number"]: one for some in github.pulls.values() for one in some}
    return [found[number] for number in sorted(found, reverse=True)]


def add_routes(app: FastAPI, github: FakeGitHub) -> None:
    """Add what finding and opening pull requests asks for."""

    @app.get(f"{_REPO}/pulls")
    def pulls(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        asked = request.query_params
        every = [
            one
            for one in every_pull(github)
            if asked.get("state", "open") in {"all", one["state"]}
            and asked.get("head") in {None, one["head"]["label"]}
            and asked.get("base") in {None, one["base"]["ref"]}
        ]
        if asked.get("sort") == "updated":
            every.sort(key=lambda one: str(one["updated_at"]))
            # Newest first is the default of this order too.
            if asked.get("direction", "desc") == "desc":
                every.reverse()
        page, links = page_of(request, every)
        return JSONResponse(page, headers=links)

    @app.post(f"{_REPO}/pulls")
    async def open_pull(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests", write=True)
        body = await body_of(request)
        for field in ("title", "head", "base"):
            if not body.get(field):
                errors = shown.invalid("PullRequest", field, "missing_field")
                raise Refusal(422, "Validation Failed", errors=errors)
        head, base = str(body["head"]).rpartition(":")[2], str(body["base"])
        for field, branch in (("head", head), ("base", base)):
            if branch not in github.shown.heads:
                raise Refusal(422, "Validation Failed", errors=shown.invalid("PullRequest", field, "invalid"))
        sha, label = github.shown.heads[head], f"{github.repository.partition('/')[0]}:{head}"
        there = [
            one
            for one in every_pull(github)
            if (one["state"], one["head"]["label"], one["base"]["ref"]) == ("open", label, base)
        ]
        if there:
            raise _refused(f"A pull request already exists for {label}.")
        if sha == github.shown.heads[base]:
            raise _refused(f"No commits between {base} and {head}")
        number = max((one["number"] for one in every_pull(github)), default=0) + 1
        github.open_pull(number, sha, author=github.shown.login, head=sha, head_branch=head, base_branch=base)
        made = github.pulls[sha][-1]
        made |= {"title": body["title"], "body": body.get("body")}
        return JSONResponse(made | _WHOLE, 201)


# What a single pull request says beyond a listed one.
_WHOLE: JSON = {
    "mergeable": None,
    "mergeable_state": "unknown",
    "merged": False,
    "merged_by": None,
    "comments": 0,
    "review_comments": 0,
    "commits": 1,
    "additions": 1,
    "deletions": 0,
    "changed_files": 1,
    "maintainer_can_modify": False,
    "rebaseable": None,
}


def _refused(message: str) -> Refusal:
    errors = [{"resource": "PullRequest", "code": "custom", "message": message}]
    return Refusal(422, "Validation Failed", errors=errors)
