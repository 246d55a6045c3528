"""The rules of the fake: protections that are replaced as a whole, environments, and who may review."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.fakes.github import server as web
from tests.fakes.github import shapes
from tests.fakes.github.shapes import JSON

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

NO_PLAN = "Upgrade to GitHub Pro or make this repository public to enable this feature."
NO_REVIEWERS = (
    "Failed to create the environment protection rule. Please ensure the billing plan supports the required "
    "reviewers protection rule."
)
_SWITCHES = (
    "required_linear_history",
    "allow_force_pushes",
    "allow_deletions",
    "block_creations",
    "required_conversation_resolution",
    "lock_branch",
    "allow_fork_syncing",
)
_REQUIRED = ("required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions")
_REVIEW_KEYS = {
    "dismissal_restrictions",
    "dismiss_stale_reviews",
    "require_code_owner_reviews",
    "required_approving_review_count",
    "require_last_push_approval",
    "bypass_pull_request_allowances",
}
_ACTORS = ("users", "teams", "apps")
_LONGEST_WAIT = 43_200
_MOST_REVIEWERS = 6


@dataclass
class RuleState:
    """What the fake knows of rules beyond the protections of its branches.

    Attributes:
        environments: Environment → as `GET` answers.
        patterns: Environment → its branches and tags, where they are listed.
        teams: The teams with access to the repository.
        logins: The people GitHub knows.
        reporters: Check → the app that reported it lately.
        private_and_free: True for a repository whose plan has no branch protection.
        no_reviewers: True for a plan without required reviewers.
        personal: True for a repository of a person, which takes no restrictions.
        forgets: Rules of a protection that a `PUT` is answered with 200 for, and that stay as they were.
    """

    environments: dict[str, JSON] = field(default_factory=dict)
    patterns: dict[str, list[JSON]] = field(default_factory=dict)
    teams: list[JSON] = field(default_factory=list)
    logins: set[str] = field(default_factory=lambda: {"ana", "ben", "cleo", "eve"})
    reporters: dict[str, int] = field(default_factory=dict)
    private_and_free: bool = False
    no_reviewers: bool = False
    personal: bool = False
    forgets: set[str] = field(default_factory=set)
    number: int = 5000

    def need_plan(self) -> None:
        """Refuse what the plan does not have."""
        if self.private_and_free:
            raise web.Refusal(403, NO_PLAN)

    def next(self) -> int:
        """Return a new id."""
        self.number += 1
        return self.number

    def open_team(self, slug: str) -> None:
        """Give a team access to the repository."""
        self.teams.append(
            {"id": self.next(), "node_id": f"T_{slug}", "slug": slug, "name": slug, "privacy": "closed"}
        )


def invalid(message: str) -> web.Refusal:
    """Return how GitHub refuses a body that its description does not allow."""
    return web.Refusal(422, f"Invalid request.\n\n{message}")


def _check(problems: dict[str, bool]) -> None:
    for message, wrong in problems.items():
        if wrong:
            raise invalid(message)


def _keys(body: JSON, known: set[str], required: tuple[str, ...] = ()) -> None:
    for key in required:
        _check({f'"{key}" wasn\'t supplied.': key not in body})
    for key in body:
        _check({f'"{key}" is not a permitted key.': key not in known})


# -- protections ----------------------------------------------------------------------------------------------------


def replaced(github: FakeGitHub, body: JSON) -> JSON:
    """Return the protection a `PUT` makes: what it leaves out is off.

    Raises:
        Refusal: The body is not what GitHub's description asks for.
    """
    _keys(body, {*_REQUIRED, *_SWITCHES}, _REQUIRED)
    for key in (*_SWITCHES, "enforce_admins"):
        _check({f"{key} is not a boolean.": not isinstance(body.get(key), bool | None)})
    found: JSON = {"enforce_admins": {"url": github.base, "enabled": bool(body["enforce_admins"])}}
    found |= {key: {"enabled": bool(body.get(key))} for key in _SWITCHES}
    status, reviews = body["required_status_checks"], body["required_pull_request_reviews"]
    if status is not None:
        found["required_status_checks"] = _status(github, status)
    if reviews is not None:
        found["required_pull_request_reviews"] = _reviews(github, reviews)
    if body["restrictions"] is not None:
        found["restrictions"] = _actors(github, body["restrictions"])
    return found


def _status(github: FakeGitHub, body: JSON) -> JSON:
    _keys(body, {"strict", "contexts", "checks"}, ("strict",))
    # As it was seen to do: both at once are refused like neither.
    _check({'No subschema in "anyOf" matched.': ("contexts" in body) == ("checks" in body)})
    given = body.get("checks") or [{"context": name} for name in body.get("contexts", [])]
    checks = [
        {
            "context": one["context"],
            "app_id": _app(one.get("app_id", github.ruling.reporters.get(one["context"]))),
        }
        for one in given
    ]
    names = [one["context"] for one in checks]
    return {"url": github.base, "strict": body["strict"], "contexts": names, "checks": checks}


def _app(number: int | None) -> int | None:
    return None if number == -1 else number


def _reviews(github: FakeGitHub, body: JSON) -> JSON:
    _keys(body, _REVIEW_KEYS)
    count = body.get("required_approving_review_count", 1)
    _check({"required_approving_review_count is not between 0 and 6.": not 0 <= count <= 6})
    found = {
        "url": github.base,
        "dismiss_stale_reviews": bool(body.get("dismiss_stale_reviews")),
        "require_code_owner_reviews": bool(body.get("require_code_owner_reviews")),
        "require_last_push_approval": bool(body.get("require_last_push_approval")),
        "required_approving_review_count": count,
    }
    for key in ("dismissal_restrictions", "bypass_pull_request_allowances"):
        found |= {key: _actors(github, body[key])} if body.get(key) else {}
    return found


def _actors(github: FakeGitHub, body: JSON) -> JSON:
    if github.ruling.personal:
        raise web.Refusal(
            422,
            "Validation Failed",
            errors=["Only organization repositories can have users and team restrictions"],
        )
    _keys(body, set(_ACTORS))
    return {
        "users": [shapes.user(github.base, login) for login in body.get("users", [])],
        "teams": [{"slug": slug, "name": slug} for slug in body.get("teams", [])],
        "apps": [{"slug": slug, "name": slug} for slug in body.get("apps", [])],
    }


# -- environments ---------------------------------------------------------------------------------------------------


def made(github: FakeGitHub, name: str, body: JSON) -> JSON:
    """Return the environment a `PUT` makes.

    Raises:
        Refusal: The body is not what GitHub's description asks for, or the plan does not have it.
    """
    ruling = github.ruling
    known = {
        "wait_timer",
        "prevent_self_review",
        "reviewers",
        "deployment_branch_policy",
        "can_admins_bypass",
    }
    _keys(body, known)
    wait, reviewers = body.get("wait_timer") or 0, body.get("reviewers") or []
    policy = body.get("deployment_branch_policy")
    _check(
        {
            "wait_timer is out of range.": not 0 <= wait <= _LONGEST_WAIT,
            "reviewers has more than 6 entries.": len(reviewers) > _MOST_REVIEWERS,
            "protected_branches and custom_branch_policies cannot have the same value.": policy is not None
            and policy["protected_branches"] == policy["custom_branch_policies"],
        }
    )
    if reviewers and ruling.no_reviewers:
        raise web.Refusal(422, "Validation Failed", errors=[NO_REVIEWERS])
    rules: list[JSON] = []
    if wait:
        rules.append({"id": ruling.next(), "node_id": "GA_1", "type": "wait_timer", "wait_timer": wait})
    if reviewers:
        rules.append(
            {
                "id": ruling.next(),
                "node_id": "GA_2",
                "type": "required_reviewers",
                "prevent_self_review": bool(body.get("prevent_self_review")),
                "reviewers": [_reviewer(github, one) for one in reviewers],
            }
        )
    if policy is not None:
        rules.append({"id": ruling.next(), "node_id": "GA_3", "type": "branch_policy"})
    if policy is None or not policy["custom_branch_policies"]:
        ruling.patterns.pop(name, None)
    url = f"{github.base}/repos/{github.repository}/environments/{name}"
    return {
        "id": ruling.next(),
        "node_id": f"EN_{name}",
        "name": name,
        "url": url,
        "html_url": f"{github.base}/{github.repository}/deployments/activity_log?environments_filter={name}",
        "created_at": shapes.CREATED,
        "updated_at": shapes.CREATED,
        "can_admins_bypass": body.get("can_admins_bypass", True),
        "protection_rules": rules,
        "deployment_branch_policy": policy,
    }


def _reviewer(github: FakeGitHub, one: JSON) -> JSON:
    if one["type"] == "Team":
        found = [team for team in github.ruling.teams if team["id"] == one["id"]]
    else:
        people = [shapes.user(github.base, login) for login in github.ruling.logins]
        found = [person for person in people if person["id"] == one["id"]]
    if not found:
        raise web.Refusal(422, "Validation Failed", errors=["Could not resolve to a reviewer"])
    return {"type": one["type"], "reviewer": found[0]}


# -- the addresses --------------------------------------------------------------------------------------------------


def add_routes(app: FastAPI, github: FakeGitHub) -> None:
    """Add what changes protections, and everything about environments."""
    _add_protections(app, github)
    _add_environments(app, github)
    _add_patterns(app, github)
    _add_people(app, github)


def _add_protections(app: FastAPI, github: FakeGitHub) -> None:
    path = "/repos/{owner}/{name}/branches/{branch:path}/protection"

    def known(request: Request, owner: str, name: str, branch: str) -> None:
        github.allow(request, owner, name, "administration", write=True)
        github.ruling.need_plan()
        if branch not in github.branches:
            raise web.Refusal(404, "Branch not found")

    @app.put(path)
    async def protect(request: Request, owner: str, name: str, branch: str) -> JSON:
        known(request, owner, name, branch)
        found = replaced(github, await web.body_of(request))
        before = github.branches[branch] or {}
        found |= {key: before[key] for key in ({*github.ruling.forgets, "required_signatures"} & set(before))}
        github.branches[branch] = found
        return {"url": f"{github.base}{request.url.path}", **found}

    @app.post(f"{path}/required_signatures")
    def sign(request: Request, owner: str, name: str, branch: str) -> JSON:
        known(request, owner, name, branch)
        signing: JSON = {"url": f"{github.base}{request.url.path}", "enabled": True}
        (github.branches[branch] or {})["required_signatures"] = signing
        return signing


def _add_environments(app: FastAPI, github: FakeGitHub) -> None:
    path = "/repos/{owner}/{name}/environments/{environment}"

    @app.get(path)
    def environment(request: Request, owner: str, name: str, environment: str) -> JSON:
        github.allow(request, owner, name, "actions")
        if environment not in github.ruling.environments:
            raise web.Refusal(404, "Not Found")
        return github.ruling.environments[environment]

    @app.put(path)
    async def make(request: Request, owner: str, name: str, environment: str) -> JSON:
        github.allow(request, owner, name, "administration", write=True)
        github.ruling.environments[environment] = made(github, environment, await web.body_of(request))
        return github.ruling.environments[environment]


def _add_patterns(app: FastAPI, github: FakeGitHub) -> None:
    path = "/repos/{owner}/{name}/environments/{environment}/deployment-branch-policies"

    def listed(environment: str) -> list[JSON]:
        policy = github.ruling.environments.get(environment, {}).get("deployment_branch_policy")
        if not (policy or {}).get("custom_branch_policies"):
            raise web.Refusal(404, "Not Found")
        return github.ruling.patterns.setdefault(environment, [])

    @app.get(path)
    def patterns(request: Request, owner: str, name: str, environment: str) -> JSONResponse:
        github.allow(request, owner, name, "actions")
        found = listed(environment)
        page, links = web.page_of(request, found)
        return JSONResponse({"total_count": len(found), "branch_policies": page}, headers=links)

    @app.post(path)
    async def add(request: Request, owner: str, name: str, environment: str) -> JSONResponse:
        github.allow(request, owner, name, "administration", write=True)
        body = await web.body_of(request)
        _keys(body, {"name", "type"}, ("name",))
        new = {
            "id": github.ruling.next(),
            "node_id": "GPA",
            "name": body["name"],
            "type": body.get("type", "branch"),
        }
        listed(environment).append(new)
        return JSONResponse(new)

    @app.delete(f"{path}/{{number}}")
    def remove(request: Request, owner: str, name: str, environment: str, number: int) -> Response:
        github.allow(request, owner, name, "administration", write=True)
        found = listed(environment)
        if number not in {one["id"] for one in found}:
            raise web.Refusal(404, "Not Found")
        found[:] = [one for one in found if one["id"] != number]
        return Response(status_code=204)


def _add_people(app: FastAPI, github: FakeGitHub) -> None:
    @app.get("/users/{login}")
    def user(request: Request, login: str) -> JSON:
        github.log_in(request)
        if login.lower() not in github.ruling.logins:
            raise web.Refusal(404, "Not Found")
        return shapes.user(github.base, login.lower())

    @app.get("/repos/{owner}/{name}/teams")
    def teams(request: Request, owner: str, name: str) -> Any:
        github.allow(request, owner, name, "administration")
        page, links = web.page_of(request, github.ruling.teams)
        return JSONResponse(page, headers=links)
