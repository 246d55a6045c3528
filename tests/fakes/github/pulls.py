"""The fake's pull requests: opened, reviewed, merged and reverted by GitHub's rules, over REST and GraphQL.

It follows GitHub's OpenAPI descriptions for status codes and fields. Where those have no words for a refusal, they are
the ones GitHub is known to say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.fakes.github import shapes
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

BOT = "sluice-bot"
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
HEAD_MOVED = "Head branch was modified. Review and try the merge again."
BASE_MOVED = "Base branch was modified. Review and try the merge again."
NOT_MERGEABLE = "Pull Request is not mergeable"
CANNOT_REVERT = (
    "Sorry, this pull request couldn't be reverted automatically. It may have already been reverted, or the content "
    "may have changed since it was merged."
)
_GREEN = frozenset({"success", "neutral", "skipped"})
_WRITERS = frozenset({"write", "maintain", "admin"})
# GitHub lists no more of a pull request's commits and files than these.
MOST_COMMITS = 250
MOST_FILES = 3000


@dataclass
class Branch:
    """What a branch has that the ones it was made from have not.

    Attributes:
        sha: Its head.
        commits: Commit → the login of its author, None where GitHub knows none; oldest first.
        files: Path → the path it had before, None where it was not renamed.
    """

    sha: str
    commits: dict[str, str | None] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)


@dataclass
class PullsState:
    """What the fake knows of pull requests beyond which commit belongs to which.

    Attributes:
        branches: Branch → what is on it.
        known: Number → the pull request, as GitHub's JSON.
        content: Number → its commits and files.
        methods: Number → how auto-merge will merge it.
        logins: Token → the login it belongs to; others belong to the bot.
        allow_auto_merge: Whether the repository's setting allows auto-merge.
        allow_drafts: Whether the repository's plan has drafts.
        merge_methods: How the repository lets pull requests be merged.
        conflicting: Pull requests with conflicts, and merged ones that cannot be reverted.
        base_moves: How many of the next merges find that the base moved.
        refused_writes: How many of the next changes run into the secondary rate limit.
        comments: Number → its comments.
    """

    branches: dict[str, Branch] = field(default_factory=dict)
    known: dict[int, JSON] = field(default_factory=dict)
    content: dict[int, Branch] = field(default_factory=dict)
    methods: dict[int, str] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    allow_auto_merge: bool = True
    allow_drafts: bool = True
    merge_methods: frozenset[str] = frozenset({"merge", "squash", "rebase"})
    conflicting: set[int] = field(default_factory=set)
    base_moves: int = 0
    refused_writes: int = 0
    comments: dict[int, list[JSON]] = field(default_factory=dict)


# -- what people do ----------------------------------------------------------------------------------------------------


def push_branch(
    github: FakeGitHub,
    branch: str,
    sha: str,
    *,
    author: str | None = "ana",
    files: dict[str, str | None] | None = None,
) -> None:
    """Push a commit to a branch; open pull requests of it get it."""
    state = github.pull_state
    github.push(sha)
    github.branches.setdefault(branch, None)
    there = state.branches.setdefault(branch, Branch(sha))
    there.sha = sha
    there.commits[sha] = author
    there.files.update(files or {})
    for number, pull in state.known.items():
        if pull["state"] == "open" and pull["head"]["ref"] == branch:
            pull["head"]["sha"] = sha
            github.pulls[sha].append(pull)
            _dismiss_stale(github, number, pull)
            settle(github)


def open_request(
    github: FakeGitHub,
    head: str,
    base: str,
    *,
    author: str,
    title: str = "Change",
    body: str = "",
    draft: bool = False,
    fork: str = "",
) -> JSON:
    """Open a pull request from a branch that was pushed; of a fork where one is named."""
    there = github.pull_state.branches[head]
    number = github.next_number()
    github.open_pull(number, there.sha, author=author, head=there.sha, head_branch=head, base_branch=base)
    pull = github.pulls[there.sha][-1]
    pull |= {"title": title, "body": body, "draft": draft}
    if fork:
        pull["head"]["repo"] = shapes.repository_of(github.base, fork)
    github.pull_state.known[number] = pull
    github.pull_state.content[number] = there
    return pull


def merge(github: FakeGitHub, number: int, by: str, method: str = "merge", *, sha: str = "") -> str:
    """Merge a pull request, whatever holds it back; return the commit that was made, the given one where one is."""
    state, pull = github.pull_state, github.pull_state.known[number]
    sha = sha or hashlib.sha1(f"{number} {method} {pull['head']['sha']}".encode()).hexdigest()  # noqa: S324
    now = shapes.stamp(datetime.now(UTC))
    pull |= {"state": "closed", "merged_at": now, "closed_at": now, "merge_commit_sha": sha}
    pull |= {"updated_at": now, "auto_merge": None, "merged_by": shapes.user(github.base, by)}
    github.push(sha)
    github.pulls[sha].append(pull)
    base = state.branches.setdefault(pull["base"]["ref"], Branch(sha))
    base.sha = sha
    content = state.content[number]
    # What is in the base is no difference any more; the pull request goes on showing it.
    state.content[number] = Branch(content.sha, dict(content.commits), dict(content.files))
    content.commits.clear()
    content.files.clear()
    return sha


def every_pull(github: FakeGitHub) -> list[JSON]:
    """Return all pull requests, the newest first."""
    there = [one for some in github.pulls.values() for one in some]
    found = {one["number"]: one for one in [*there, *github.pull_state.known.values()]}
    return [found[number] for number in sorted(found, reverse=True)]


def settle(github: FakeGitHub) -> None:
    """Merge what auto-merge waits for and nothing holds back any more."""
    state = github.pull_state
    for number, method in list(state.methods.items()):
        pull = state.known[number]
        if pull["state"] == "open" and pull["auto_merge"] and standing(github, number)[0] in _MERGES:
            by = pull["auto_merge"]["enabled_by"]["login"]
            del state.methods[number]
            merge(github, number, by, method)


# -- GitHub's own rules ------------------------------------------------------------------------------------------------

_MERGES = frozenset({"clean", "unstable"})


def standing(github: FakeGitHub, number: int) -> tuple[str, str]:
    """Return a pull request's `mergeable_state`, and why a merge is refused; empty where it is not."""
    pull = github.pull_state.known[number]
    if number in github.pull_state.conflicting:
        return "dirty", NOT_MERGEABLE
    if pull["draft"]:
        return "draft", "Pull Request is still a draft"
    states = _states(github, pull["head"]["sha"])
    required = _required(github, pull["base"]["ref"])
    for name in required:
        if states.get(name) not in _GREEN:
            word = "is expected" if name not in states else f"is {states[name]}"
            return "blocked", f'Required status check "{name}" {word}.'
    wanted = _wanted_reviews(github, pull["base"]["ref"])
    decisions = _decisions(github, number, pull)
    if "CHANGES_REQUESTED" in decisions:
        return "blocked", "Changes must be addressed before merging."
    if decisions.count("APPROVED") < wanted:
        return "blocked", (f"At least {wanted} approving review is required by reviewers with write access.")
    return ("clean" if set(states.values()) <= _GREEN else "unstable"), ""


def _states(github: FakeGitHub, sha: str) -> dict[str, str]:
    runs = {run["name"]: run["conclusion"] or "pending" for run in reversed(github.runs.get(sha, []))}
    return runs | {one["context"]: one["state"] for one in github.statuses.get(sha, [])}


def _required(github: FakeGitHub, base: str) -> list[str]:
    protected = (github.branches.get(base) or {}).get("required_status_checks") or {}
    ruled = [
        check["context"]
        for rule in github.rules.get(base, [])
        if rule["type"] == "required_status_checks"
        for check in rule["parameters"]["required_status_checks"]
    ]
    return [*protected.get("contexts", []), *ruled]


def _wanted_reviews(github: FakeGitHub, base: str) -> int:
    reviews = (github.branches.get(base) or {}).get("required_pull_request_reviews") or {}
    return int(reviews.get("required_approving_review_count", 0))


def _decisions(github: FakeGitHub, number: int, pull: JSON) -> list[str]:
    """Return the latest decision of each reviewer that counts."""
    latest: dict[str, str] = {}
    author = (pull["user"] or {}).get("login")
    for review in github.reviews.get(number, []):
        login = (review["user"] or {}).get("login")
        if login in {None, author} or github.roles.get(login) not in _WRITERS:
            continue
        if review["state"] in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
            latest[login] = review["state"]
    return list(latest.values())


def _dismiss_stale(github: FakeGitHub, number: int, pull: JSON) -> None:
    reviews = (github.branches.get(pull["base"]["ref"]) or {}).get("required_pull_request_reviews") or {}
    for review in github.reviews.get(number, []):
        if reviews.get("dismiss_stale_reviews") and review["state"] == "APPROVED":
            review["state"] = "DISMISSED"


# -- what it answers ---------------------------------------------------------------------------------------------------


def login_of(github: FakeGitHub, request: Request) -> str:
    """Return the login a request comes from."""
    token = request.headers.get("Authorization", "").partition(" ")[2]
    installed = "sluice[bot]" if token.startswith("ghs_") else BOT
    return github.pull_state.logins.get(token, installed)


def add_routes(app: FastAPI, github: FakeGitHub) -> None:
    """Add the routes of pull requests, and GraphQL."""
    from tests.fakes.github.graphql import answer
    from tests.fakes.github.server import Refusal, body_of, page_of

    def state_of() -> PullsState:
        """Return the state as it is now: tests put a new one in its place."""
        return github.pull_state

    pulls = "/repos/{owner}/{name}/pulls"

    def pull_at(number: int) -> JSON:
        found = state_of().known.get(number)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def writing(request: Request, owner: str, name: str, *permissions: str) -> None:
        for permission in permissions:
            github.allow(request, owner, name, permission, write=True)
        slow_down()

    def slow_down() -> None:
        if state_of().refused_writes > 0:
            state_of().refused_writes -= 1
            raise Refusal(403, SECONDARY, {"retry-after": "1"})

    @app.get(pulls)
    def listed(request: Request, owner: str, name: str) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        wanted = request.query_params
        state, head, base = wanted.get("state", "open"), wanted.get("head", ""), wanted.get("base", "")
        found = [
            pull
            for pull in every_pull(github)
            if state in {"all", pull["state"]}
            # A head without its owner is taken no notice of.
            and (":" not in head or pull["head"]["label"] == head)
            and base in {"", pull["base"]["ref"]}
        ]
        if wanted.get("sort") == "updated":
            found.sort(key=lambda pull: str(pull["updated_at"]), reverse=wanted.get("direction") == "desc")
        page, links = page_of(request, found)
        return JSONResponse(page, headers=links)

    @app.post(pulls, status_code=201)
    async def created(request: Request, owner: str, name: str) -> JSON:
        writing(request, owner, name, "pull_requests")
        body = await body_of(request)
        refused = _refused_to_open(github, body)
        if refused:
            raise _invalid(refused)
        return detailed(
            github,
            open_request(
                github,
                body["head"],
                body["base"],
                author=login_of(github, request),
                title=body["title"],
                body=body.get("body") or "",
                draft=bool(body.get("draft")),
            ),
        )

    @app.get(f"{pulls}/{{number}}")
    def one(request: Request, owner: str, name: str, number: int) -> JSON:
        github.allow(request, owner, name, "pull_requests")
        return detailed(github, pull_at(number))

    @app.get(f"{pulls}/{{number}}/commits")
    def commits(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        pull_at(number)
        found = [
            shapes.commit_of(github.base, github.repository, sha, author)
            for sha, author in state_of().content[number].commits.items()
        ]
        page, links = page_of(request, found[:MOST_COMMITS])
        return JSONResponse(page, headers=links)

    @app.get(f"{pulls}/{{number}}/files")
    def files(request: Request, owner: str, name: str, number: int) -> JSONResponse:
        github.allow(request, owner, name, "pull_requests")
        pull_at(number)
        found = [
            shapes.diff_entry(github.base, github.repository, path, before)
            for path, before in state_of().content[number].files.items()
        ]
        page, links = page_of(request, found[:MOST_FILES])
        return JSONResponse(page, headers=links)

    @app.post(f"{pulls}/{{number}}/reviews")
    async def review(request: Request, owner: str, name: str, number: int) -> JSON:
        writing(request, owner, name, "pull_requests")
        body, login = await body_of(request), login_of(github, request)
        pull = pull_at(number)
        if (pull["user"] or {}).get("login") == login and body.get("event") != "COMMENT":
            raise Refusal(422, "Unprocessable Entity", errors=["Can not approve your own pull request"])
        state = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
        github.review(
            number,
            login,
            state.get(body.get("event", ""), "PENDING"),
            body.get("commit_id") or pull["head"]["sha"],
        )
        github.reviews[number][-1]["body"] = body.get("body") or ""
        return github.reviews[number][-1]

    @app.put(f"{pulls}/{{number}}/reviews/{{review_id}}/dismissals")
    async def dismissed(request: Request, owner: str, name: str, number: int, review_id: int) -> JSON:
        writing(request, owner, name, "pull_requests")
        body = await body_of(request)
        found = next((one for one in github.reviews.get(number, []) if one["id"] == review_id), None)
        if found is None:
            raise Refusal(404, "Not Found")
        if not body.get("message") or found["state"] not in {"APPROVED", "CHANGES_REQUESTED"}:
            raise Refusal(422, "Validation Failed", errors=["Can not dismiss this pull request review"])
        found["state"] = "DISMISSED"
        return found

    @app.put(f"{pulls}/{{number}}/merge")
    async def merged(request: Request, owner: str, name: str, number: int) -> JSON:
        writing(request, owner, name, "contents")
        body, pull = await body_of(request), pull_at(number)
        method = body.get("merge_method", "merge")
        if body.get("sha") not in {None, pull["head"]["sha"]}:
            raise Refusal(409, HEAD_MOVED)
        if pull["state"] != "open":
            raise Refusal(405, NOT_MERGEABLE)
        if state_of().base_moves > 0:
            state_of().base_moves -= 1
            raise Refusal(405, BASE_MOVED)
        if method not in state_of().merge_methods:
            raise Refusal(405, f"{method.capitalize()} merges are not allowed on this repository.")
        held = standing(github, number)[1]
        if held:
            raise Refusal(405, held)
        sha = merge(github, number, login_of(github, request), method)
        return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}

    @app.post("/graphql")
    async def graphql(request: Request) -> JSON:
        permissions = github.log_in(request)
        slow_down()
        return answer(github, await body_of(request), login_of(github, request), permissions)


def detailed(github: FakeGitHub, pull: JSON) -> JSON:
    """Return a pull-request, which has more than what stands in lists."""
    number = pull["number"]
    content = github.pull_state.content[number]
    state = standing(github, number)[0] if pull["state"] == "open" else "unknown"
    return pull | {
        "merged": pull["merged_at"] is not None,
        "mergeable": state != "dirty" if pull["state"] == "open" else None,
        "mergeable_state": state,
        "merged_by": pull.get("merged_by"),
        "comments": len(github.pull_state.comments.get(number, [])),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(content.commits),
        "additions": len(content.files),
        "deletions": 0,
        "changed_files": len(content.files),
    }


def _refused_to_open(github: FakeGitHub, body: JSON) -> JSON | None:
    """Return the field's error a new pull request is refused with."""
    state = github.pull_state
    head, base = str(body.get("head", "")), str(body.get("base", ""))
    owner = github.repository.partition("/")[0]
    plain = {"resource": "PullRequest", "code": "custom"}
    if not body.get("title"):
        return {"resource": "PullRequest", "code": "missing_field", "field": "title"}
    gone = "head" if head not in state.branches else "base" if base not in github.branches else ""
    if gone:
        return {"resource": "PullRequest", "code": "invalid", "field": gone}
    sides = {
        (one["head"]["ref"], one["base"]["ref"]) for one in state.known.values() if one["state"] == "open"
    }
    if (head, base) in sides:
        return plain | {"message": f"A pull request already exists for {owner}:{head}."}
    if not state.branches[head].commits:
        return plain | {"message": f"No commits between {base} and {head}"}
    drafts = "Draft pull requests are not supported in this repository."
    return plain | {"message": drafts} if body.get("draft") and not state.allow_drafts else None


def _invalid(error: JSON) -> Exception:
    from tests.fakes.github.server import Refusal

    return Refusal(422, "Validation Failed", errors=[error])


def make_revert(github: FakeGitHub, number: int, by: str, values: dict[str, Any]) -> JSON | None:
    """Open the pull request that reverts another; None where GitHub cannot."""
    state = github.pull_state
    pull = state.known[number]
    name = f"revert-{number}-{pull['head']['ref']}"
    if number in state.conflicting or name in state.branches:
        return None
    sha = hashlib.sha1(f"revert {number}".encode()).hexdigest()  # noqa: S324 - as git names commits
    files = dict.fromkeys(state.content[number].files)
    push_branch(github, name, sha, author=by, files=files)
    return open_request(
        github,
        name,
        pull["base"]["ref"],
        author=by,
        title=values.get("title") or f'Revert "{pull["title"]}"',
        body=values.get("body") or f"Reverts {github.repository}#{number}",
        draft=bool(values.get("draft")),
    )
