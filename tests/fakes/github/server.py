"""The fake itself: what it knows, what it refuses, and the server around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import jwt
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from github.Requester import Requester

from tests.fakes.github import rules as rule_routes
from tests.fakes.github import shapes
from tests.fakes.github.pulls import PullsState, settle
from tests.fakes.github.shapes import JSON
from tests.fakes.github.shown import Shown

REPOSITORY = "acme/shop"
NUMBER = 1296269
TOKEN = "github_pat_11AAAA_fake-token-of-the-tests"
_READABLE = (
    "statuses",
    "checks",
    "pull_requests",
    "contents",
    "administration",
    "metadata",
    "deployments",
    "issues",
    "actions",
)
READING = frozenset(_READABLE)
EVERYTHING = READING | {f"{name}:write" for name in _READABLE}
LARGEST_PAGE = 100


@dataclass
class Fault:
    """An answer given instead of the real one.

    Attributes:
        path: A part of the address it is given for.
        status: The status.
        message: GitHub's words.
        headers: Further headers.
        times: How often.
        body: The body where it is not GitHub's JSON of an error.
    """

    path: str
    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    body: str | None = None


@dataclass
class Move:
    """Where the repository went: it was renamed, or given to another owner.

    Attributes:
        name: Its new `owner/name`.
        status: What asks for the old name is answered with it.
        host: The host the answer points to; the server's own address when empty.
        loop: The new address points to itself.
        everything: Whatever is asked is answered so, not only what is about the repository.
    """

    name: str
    status: int = 301
    host: str = ""
    loop: bool = False
    everything: bool = False


@dataclass
class App:
    """An app that may log in.

    Attributes:
        app_id: Its id.
        installation_id: Its installation on the repository.
        public_key: What its tokens are checked with.
    """

    app_id: int
    installation_id: int
    public_key: str


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
        errors: list[JSON] | list[str] | None = None,
    ) -> None:
        self.status, self.message, self.headers, self.errors = status, message, headers, errors
        super().__init__(message)


@dataclass
class FakeGitHub:
    """One repository on GitHub.

    Attributes:
        base: The server's address.
        repository: `owner/name`.
        tokens: Token → what it may read and, with `:write`, change.
        app: The app that may log in, None for none.
        statuses: Commit → its statuses, newest first.
        runs: Commit → its check runs, newest first.
        pulls: Commit → the pull requests it belongs to.
        reviews: Pull request → its reviews, oldest first.
        branches: Branch → its protection; None for a branch without.
        rules: Branch → the rules in force.
        roles: Login → its role in the repository.
        faults: The answers given instead of real ones.
        moved: Where the repository went, None where it is where it was.
        largest_page: How many entries are given out at a time, whatever is asked for.
        ruling: Environments, teams, and what the repository's plan has.
        remaining: How many requests are left.
        asked: What was asked, in order: method, path with query.
        shown: What was written there to be seen.
        pull_state: What pull requests are beyond the commits they belong to.
    """

    base: str = ""
    repository: str = REPOSITORY
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {TOKEN: EVERYTHING})
    app: App | None = None
    statuses: dict[str, list[JSON]] = field(default_factory=dict)
    runs: dict[str, list[JSON]] = field(default_factory=dict)
    pulls: dict[str, list[JSON]] = field(default_factory=dict)
    reviews: dict[int, list[JSON]] = field(default_factory=dict)
    branches: dict[str, JSON | None] = field(default_factory=dict)
    rules: dict[str, list[JSON]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    moved: Move | None = None
    largest_page: int = LARGEST_PAGE
    ruling: rule_routes.RuleState = field(default_factory=rule_routes.RuleState)
    remaining: int = 5000
    asked: list[tuple[str, str]] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)
    pull_state: PullsState = field(default_factory=PullsState)
    _number: int = 100

    def renew(self) -> None:
        """Forget everything but the address."""
        self.__dict__.update(FakeGitHub(base=self.base).__dict__)

    # -- what people do ------------------------------------------------------------------------------------------

    def push(self, sha: str) -> None:
        """Make a commit known."""
        self.statuses.setdefault(sha, [])
        self.runs.setdefault(sha, [])
        self.pulls.setdefault(sha, [])

    def report_status(self, sha: str, context: str, state: str) -> None:
        """Report a commit status; a later one of the same context takes the earlier one's place."""
        self.push(sha)
        new = shapes.status(self.base, self.repository, sha, self._next(), context, state)
        self.statuses[sha] = [new, *(one for one in self.statuses[sha] if one["context"] != context)]
        settle(self)

    def report_run(self, sha: str, name: str, state: str, app_id: int | None = shapes.ACTIONS_APP) -> None:
        """Report a check run, in a check suite of its own."""
        self.push(sha)
        new = shapes.check_run(self.base, self.repository, sha, self._next(), name, state, app_id)
        self.runs[sha].insert(0, new)
        settle(self)

    def open_pull(self, number: int, sha: str, **values: Any) -> None:
        """Open a pull request, or merge one, that a commit belongs to."""
        self.push(sha)
        self.pulls[sha].append(shapes.pull_request(self.base, self.repository, number, **values))
        self.reviews.setdefault(number, [])

    def review(
        self,
        number: int,
        reviewer: str | None,
        state: str,
        commit: str,
        role: str = "write",
        body: str = "",
    ) -> None:
        """Submit a review."""
        if reviewer:
            self.roles[reviewer] = role
        self.reviews[number].append(
            shapes.review(
                self.base,
                self.repository,
                number,
                self._next(),
                reviewer=reviewer,
                state=state,
                commit=commit,
            )
            | {"body": body}
            | ({} if state == "PENDING" else {"submitted_at": shapes.stamp(datetime.now(UTC))})
        )
        settle(self)

    def next_number(self) -> int:
        """Return a number that nothing has yet."""
        return self._next()

    def _next(self) -> int:
        self._number += 1
        return self._number

    # -- what it answers -----------------------------------------------------------------------------------------

    def log_in(self, request: Request) -> frozenset[str]:
        """Return what the login of a request may read.

        Raises:
            Refusal: There is none, or it is not known.
        """
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            raise Refusal(401, "Requires authentication")
        if kind.lower() not in {"token", "bearer"} or token not in self.tokens:
            raise Refusal(401, "Bad credentials")
        return self.tokens[token]

    def allow(self, request: Request, owner: str, repo: str, permission: str, *, write: bool = False) -> None:
        """Let a request through, or refuse it as GitHub does.

        Args:
            request: The request.
            owner: The repository's owner, as asked.
            repo: The repository's name, as asked.
            permission: What the login needs, such as `pull_requests`.
            write: Whether it needs to write it.
        """
        permissions = self.log_in(request)
        if f"{owner}/{repo}".lower() != self.repository.lower() or not permissions:
            raise Refusal(404, "Not Found")
        needed = f"{permission}:write" if write else permission
        if needed not in permissions:
            wanted = {"X-Accepted-GitHub-Permissions": f"{permission}={'write' if write else 'read'}"}
            raise Refusal(403, "Resource not accessible by personal access token", wanted)

    def known(self, sha: str) -> None:
        """Refuse a commit that was never pushed."""
        if sha not in self.statuses:
            raise Refusal(422, f"No commit found for SHA: {sha}")

    def grant(self, request: Request, installation_id: int) -> JSON:
        """Give an app's installation a token.

        Raises:
            Refusal: The app is not known, or its signature is wrong.
        """
        signed = request.headers.get("Authorization", "").partition(" ")[2]
        if self.app is None:
            raise Refusal(404, "Integration not found")
        try:
            claims = jwt.decode(signed, self.app.public_key, algorithms=["RS256"])
        except jwt.PyJWTError:
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if claims["iss"] != str(self.app.app_id) or installation_id != self.app.installation_id:
            raise Refusal(404, "Not Found")
        token = f"ghs_installation-token-{self._next()}"
        self.tokens[token] = EVERYTHING
        expires = shapes.stamp(datetime.now(UTC) + timedelta(hours=1))
        permissions = {"checks": "read", "contents": "read", "metadata": "read"}
        return {
            "token": token,
            "expires_at": expires,
            "permissions": permissions,
            "repository_selection": "selected",
        }


def page_of(request: Request, every: list[JSON]) -> tuple[list[JSON], dict[str, str]]:
    """Return the page that was asked for and the Link header beside it."""
    size = min(int(request.query_params.get("per_page", "30")), request.app.state.github.largest_page)
    number = int(request.query_params.get("page", "1"))
    last = max(1, -(-len(every) // size))
    there = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    wanted = {
        name: page
        for name, page in there.items()
        if (name in {"prev", "first"} and number > 1) or (name in {"next", "last"} and number < last)
    }
    links = [
        f'<{request.url.include_query_params(page=page, per_page=size)}>; rel="{name}"'
        for name, page in wanted.items()
    ]
    return every[(number - 1) * size : number * size], {"Link": ", ".join(links)} if links else {}


async def body_of(request: Request) -> JSON:
    """Return the JSON object of a request.

    Raises:
        Refusal: It is none.
    """
    try:
        found = await request.json()
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None
    if not isinstance(found, dict):
        raise Refusal(400, "Body should be a JSON object")
    return found


def application(github: FakeGitHub) -> FastAPI:
    """Build the web application around what the fake knows."""
    # These modules need what this one defines.
    from tests.fakes.github import files, showing
    from tests.fakes.github import pulls as pull_requests

    app = FastAPI(openapi_url=None)
    app.state.github = github

    @app.exception_handler(Refusal)
    def refuse(_request: Request, refusal: Refusal) -> JSONResponse:
        return _error(refusal.status, refusal.message, refusal.headers, refusal.errors)

    @app.middleware("http")
    async def count(request: Request, call_next: Any) -> Any:
        query = f"?{request.url.query}" if request.url.query else ""
        github.asked.append((request.method, f"{request.url.path}{query}"))
        github.remaining -= request.url.path != "/rate_limit"
        answer = (
            _fault(github, request.url.path)
            or _elsewhere(github, request, request.scope["path"])
            or await call_next(request)
        )
        for name, value in _budget(github).items():
            answer.headers.setdefault(f"x-ratelimit-{name}", str(value))
        return answer

    @app.get("/rate_limit")
    def rate_limit(request: Request) -> JSON:
        github.log_in(request)
        core = _budget(github)
        return {"resources": {"core": core, "search": core}, "rate": core}

    @app.post("/app/installations/{installation_id}/access_tokens", status_code=201)
    def access_token(request: Request, installation_id: int) -> JSON:
        return github.grant(request, installation_id)

    repo = "/repos/{owner}/{name}"

    @app.get(f"{repo}/commits/{{sha}}/status")
    def statuses(request: Request, owner: str, name: str, sha: str) -> JSONResponse:
        github.allow(request, owner, name, "statuses")
        github.known(sha)
        page, links = page_of(request, github.statuses[sha])
        body = shapes.combined(github.base, github.repository, sha, page, github.statuses[sha])
        return JSONResponse(body, headers=links)

    @app.get(f"{repo}/commits/{{sha}}/check-runs")
    def check_runs(request: Request, owner: str, name: str, sha: str) -> JSONResponse:
        github.allow(request, owner, name, "checks")
        github.known(sha)
        runs = github.runs[sha]
        page, links = page_of(request, runs)
        return JSONResponse({"total_count": len(runs), "check_runs": page}, headers=links)

    @app.get(f"{repo}/commits/{{sha}}/pulls")
    def pulls(request: Request, owner: str, name: str, sha: str) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        github.known(sha)
        page, links = page_of(request, github.pulls[sha])
        return JSONResponse(page, headers=links)

    @app.get(f"{repo}/pulls/{{number}}/reviews")
    def reviews(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        if number not in github.reviews:
            raise Refusal(404, "Not Found")
        page, links = page_of(request, github.reviews[number])
        return JSONResponse(page, headers=links)

    @app.get(f"{repo}/collaborators/{{login}}/permission")
    def permission(request: Request, owner: str, name: str, login: str) -> JSON:
        github.allow(request, owner, name, "metadata")
        if login not in github.roles:
            raise Refusal(404, f"{login} is not a user")
        role = github.roles[login]
        legacy = {"maintain": "write", "triage": "read"}.get(role, role)
        return {
            "permission": legacy,
            "role_name": role,
            "user": shapes.user(github.base, login) | {"role_name": role},
        }

    @app.get(f"{repo}/branches/{{branch:path}}/protection")
    def protection(request: Request, owner: str, name: str, branch: str) -> JSON:
        github.allow(request, owner, name, "administration")
        github.ruling.need_plan()
        if branch not in github.branches:
            raise Refusal(404, "Branch not found")
        found = github.branches[branch]
        if found is None:
            raise Refusal(404, "Branch not protected")
        return {"url": f"{github.base}/repos/{github.repository}/branches/{branch}/protection", **found}

    @app.get(f"{repo}/branches/{{branch:path}}")
    def one_branch(request: Request, owner: str, name: str, branch: str) -> JSON:
        github.allow(request, owner, name, "contents")
        if branch not in github.branches:
            raise Refusal(404, "Branch not found")
        found = shapes.branch(github.base, github.repository, branch, "0" * 40, github.branches[branch])
        return found | {"protected": found["protected"] or bool(github.rules.get(branch))}

    @app.get(f"{repo}/rules/branches/{{branch:path}}")
    def rules(request: Request, owner: str, name: str, branch: str) -> JSONResponse:
        github.allow(request, owner, name, "metadata")
        page, links = page_of(request, github.rules.get(branch, []))
        return JSONResponse(page, headers=links)

    for module in (pull_requests, showing, files, rule_routes):
        module.add_routes(app, github)
    return app


def _error(
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    errors: list[JSON] | list[str] | None = None,
) -> JSONResponse:
    body: JSON = {
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }
    body |= {"errors": errors} if errors else {}
    return JSONResponse(body, status_code=status, headers=headers)


def _fault(github: FakeGitHub, path: str) -> Response | None:
    if github.remaining < 0:
        return _error(403, "API rate limit exceeded for user ID 1.")
    for fault in github.faults:
        if fault.path in path and fault.times > 0:
            fault.times -= 1
            if fault.body is not None:
                return Response(fault.body, fault.status, fault.headers)
            return _error(fault.status, fault.message, fault.headers)
    return None


def _budget(github: FakeGitHub) -> dict[str, int]:
    reset = int(time.time()) + 1800
    left = max(github.remaining, 0)
    return {"limit": 5000, "remaining": left, "used": 5000 - left, "reset": reset}


def _elsewhere(github: FakeGitHub, request: Request, path: str) -> Response | None:
    """Answer for the repository's number, and for one that moved: its old name points to its number."""
    old, number = f"/repos/{github.repository}", f"/repositories/{NUMBER}"
    move = github.moved
    if path.startswith(number) and not (move and move.loop):
        if path == number:
            return JSONResponse({"id": NUMBER, "full_name": move.name if move else github.repository})
        request.scope["path"] = old + path.removeprefix(number)
        return None
    if move is None:
        return None
    if not path.startswith((old, number)) and not move.everything:
        return None
    rest = path.removeprefix(old) if path.startswith(old) else ""
    there = f"{move.host or github.base}{number}{rest}"
    body = {"message": "Moved Permanently", "url": there, "documentation_url": "https://docs.github.com"}
    # 304 has no body and points nowhere.
    if move.status == 304:
        return Response(status_code=304)
    return JSONResponse(body, status_code=move.status, headers={"Location": there})


@contextmanager
def serve_github(github: FakeGitHub | None = None) -> Iterator[FakeGitHub]:
    """Serve a fake GitHub on a loopback port.

    The clients of this process send at once what they would send the real one a second apart, to spare it.

    Args:
        github: What it knows; the usual repository when None.

    Yields:
        The fake, with its address.
    """
    github = github or FakeGitHub()
    config = uvicorn.Config(application(github), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    github.base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with patch.object(Requester, "_Requester__deferRequest", lambda *_: None):
            yield github
    finally:
        server.should_exit = True
        thread.join(10)
