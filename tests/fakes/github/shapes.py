"""The JSON objects of GitHub's API, with every field its OpenAPI descriptions require of those that are read here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]
CREATED = "2026-11-20T08:00:00Z"
ACTIONS_APP = 15368


def stamp(moment: datetime) -> str:
    """Return a moment as GitHub writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user(base: str, login: str) -> JSON:
    """Build a simple-user."""
    url = f"{base}/users/{login}"
    links = {
        "followers_url": "followers",
        "following_url": "following{/other_user}",
        "gists_url": "gists{/gist_id}",
        "starred_url": "starred{/owner}{/repo}",
        "subscriptions_url": "subscriptions",
        "organizations_url": "orgs",
        "repos_url": "repos",
        "events_url": "events{/privacy}",
        "received_events_url": "received_events",
    }
    return {
        "login": login,
        "id": sum(login.encode()),
        "node_id": f"U_{login}",
        "avatar_url": f"{base}/avatars/{login}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{base}/{login}",
        "type": "User",
        "site_admin": False,
        **{name: f"{url}/{end}" for name, end in links.items()},
    }


def status(base: str, repository: str, sha: str, number: int, context: str, state: str) -> JSON:
    """Build a simple-commit-status."""
    return {
        "id": number,
        "node_id": f"SC_{number}",
        "url": f"{base}/repos/{repository}/statuses/{sha}",
        "avatar_url": None,
        "context": context,
        "state": state,
        "description": f"{context} is {state}",
        "target_url": f"{base}/ci/{number}",
        "created_at": CREATED,
        "updated_at": CREATED,
    }


def combined(base: str, repository: str, sha: str, page: list[JSON], every: list[JSON]) -> JSON:
    """Build a combined-commit-status of one page of statuses."""
    states = {one["state"] for one in every}
    red = bool(states & {"failure", "error"})
    return {
        "sha": sha,
        "state": "failure" if red else "pending" if "pending" in states or not states else "success",
        "statuses": page,
        "total_count": len(every),
        "commit_url": f"{base}/repos/{repository}/commits/{sha}",
        "url": f"{base}/repos/{repository}/commits/{sha}/status",
        "repository": repository_of(base, repository),
    }


_REPOSITORY_URLS = tuple(
    "archive assignees blobs branches collaborators comments commits compare contents contributors deployments "  # noqa: SIM905
    "downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels "
    "languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags "
    "teams trees clone svn git ssh mirror".split()
)


def repository_of(base: str, repository: str) -> JSON:
    """Build a repository, which is a minimal-repository as well."""
    owner, name = repository.split("/")
    url = f"{base}/repos/{repository}"
    features = ("issues", "projects", "wiki", "pages", "downloads", "discussions")
    return {
        **{f"{one}_url": f"{url}/{one}" for one in _REPOSITORY_URLS},
        **{f"has_{one}": False for one in features},
        **{f"{one}_count": 0 for one in ("forks", "stargazers", "watchers", "open_issues")},
        **dict.fromkeys(("forks", "watchers", "open_issues", "size"), 0),
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), CREATED),
        "archived": False,
        "disabled": False,
        "default_branch": "main",
        "homepage": None,
        "language": None,
        "license": None,
        "id": 1296269,
        "node_id": "R_1296269",
        "name": name,
        "full_name": repository,
        "private": True,
        "owner": user(base, owner),
        "html_url": f"{base}/{repository}",
        "description": None,
        "fork": False,
        "url": url,
    }


def check_run(
    base: str, repository: str, sha: str, number: int, name: str, state: str, app_id: int | None = ACTIONS_APP
) -> JSON:
    """Build a check-run; `state` is a status while it runs, and a conclusion when it ended."""
    running = state in {"queued", "in_progress", "waiting", "requested", "pending"}
    return {
        "id": number,
        "node_id": f"CR_{number}",
        "head_sha": sha,
        "external_id": "",
        "name": name,
        "url": f"{base}/repos/{repository}/check-runs/{number}",
        "html_url": f"{base}/{repository}/runs/{number}",
        "details_url": f"{base}/{repository}/runs/{number}",
        "status": state if running else "completed",
        "conclusion": None if running else state,
        "started_at": CREATED,
        "completed_at": None if running else CREATED,
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{base}/repos/{repository}/check-runs/{number}/annotations",
        },
        "check_suite": {"id": 5},
        "app": None if app_id is None else app(base, app_id),
        "pull_requests": [],
    }


def app(base: str, number: int) -> JSON:
    """Build an integration."""
    return {
        "id": number,
        "node_id": f"A_{number}",
        "slug": f"app-{number}",
        "owner": user(base, "github"),
        "name": f"App {number}",
        "description": "",
        "external_url": f"{base}/apps/{number}",
        "html_url": f"{base}/apps/{number}",
        "created_at": CREATED,
        "updated_at": CREATED,
        "permissions": {"checks": "write"},
        "events": ["check_run"],
    }


def pull_request(
    base: str,
    repository: str,
    number: int,
    *,
    author: str | None,
    head: str,
    base_branch: str = "main",
    head_branch: str = "feature/login",
    merge_commit: str | None = None,
    merged_at: datetime | None = None,
) -> JSON:
    """Build a pull-request-simple."""
    url = f"{base}/repos/{repository}/pulls/{number}"
    page = f"{base}/{repository}/pull/{number}"
    issue = f"{base}/repos/{repository}/issues/{number}"
    urls = {
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue,
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{base}/repos/{repository}/pulls/comments{{/number}}",
        "comments_url": f"{issue}/comments",
        "statuses_url": f"{base}/repos/{repository}/statuses/{head}",
    }
    links = ("comments", "commits", "statuses", "html", "issue", "review_comments", "review_comment", "self")
    return {
        "id": 1000 + number,
        "node_id": f"PR_{number}",
        "url": url,
        **urls,
        "number": number,
        "state": "closed" if merged_at else "open",
        "locked": False,
        "title": f"Change {number}",
        "user": user(base, author) if author else None,
        "body": None,
        "labels": [],
        "milestone": None,
        "created_at": CREATED,
        "updated_at": CREATED,
        "closed_at": stamp(merged_at) if merged_at else None,
        "merged_at": stamp(merged_at) if merged_at else None,
        # While it is open GitHub has a test merge here, which is no commit of any branch.
        "merge_commit_sha": merge_commit or "7e57" + "0" * 36,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _side(base, repository, head_branch, head),
        "base": _side(base, repository, base_branch, "ba5e" + "0" * 36),
        "_links": {name: {"href": url} for name in links},
        "author_association": "MEMBER",
        "auto_merge": None,
        "draft": False,
    }


def _side(base: str, repository: str, branch: str, sha: str) -> JSON:
    owner = repository.split("/", maxsplit=1)[0]
    return {
        "label": f"{owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(base, owner),
        "repo": repository_of(base, repository),
    }


def review(
    base: str, repository: str, pull: int, number: int, *, reviewer: str | None, state: str, commit: str
) -> JSON:
    """Build a pull-request-review."""
    url = f"{base}/repos/{repository}/pulls/{pull}"
    page = f"{base}/{repository}/pull/{pull}#pullrequestreview-{number}"
    return {
        "id": number,
        "node_id": f"PRR_{number}",
        "user": user(base, reviewer) if reviewer else None,
        "body": "",
        "state": state,
        "html_url": page,
        "pull_request_url": url,
        "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        **({} if state == "PENDING" else {"submitted_at": CREATED}),
        "commit_id": commit,
        "author_association": "MEMBER",
    }


def branch(base: str, repository: str, name: str, sha: str, protection: JSON | None) -> JSON:
    """Build a branch-with-protection; `protection` is the branch-protection, None without one."""
    url = f"{base}/repos/{repository}/branches/{name}"
    checks = (protection or {}).get("required_status_checks")
    level = "off" if checks is None else "non_admins"
    known = {"contexts": [], "checks": []} if checks is None else checks
    return {
        "name": name,
        "commit": _commit(base, repository, sha),
        "_links": {"html": f"{base}/{repository}/tree/{name}", "self": url},
        "protected": protection is not None,
        "protection": {
            "enabled": protection is not None,
            "required_status_checks": {"enforcement_level": level, **known},
        },
        "protection_url": f"{url}/protection",
    }


def _commit(base: str, repository: str, sha: str) -> JSON:
    url = f"{base}/repos/{repository}/commits/{sha}"
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "url": url,
        "html_url": f"{base}/{repository}/commit/{sha}",
        "comments_url": f"{url}/comments",
        "author": None,
        "committer": None,
        "parents": [],
        "commit": {
            "url": url,
            "author": None,
            "committer": None,
            "message": "A change",
            "comment_count": 0,
            "tree": {"sha": sha, "url": url},
        },
    }


def commit_of(base: str, repository: str, sha: str, author: str | None) -> JSON:
    """Build a commit, with the account GitHub knows its author by."""
    return _commit(base, repository, sha) | {"author": user(base, author) if author else None}


def diff_entry(base: str, repository: str, path: str, before: str | None) -> JSON:
    """Build a diff-entry; `before` is the path a renamed file had."""
    url = f"{base}/repos/{repository}/contents/{path}"
    return {
        "sha": "f" * 40,
        "filename": path,
        "status": "renamed" if before else "modified",
        "additions": 1,
        "deletions": 0,
        "changes": 1,
        "blob_url": f"{base}/{repository}/blob/main/{path}",
        "raw_url": f"{base}/{repository}/raw/main/{path}",
        "contents_url": url,
        **({"previous_filename": before} if before else {}),
    }


def issue_comment(base: str, repository: str, issue: int, number: int, login: str, body: str) -> JSON:
    """Build an issue-comment."""
    return {
        "id": number,
        "node_id": f"IC_{number}",
        "url": f"{base}/repos/{repository}/issues/comments/{number}",
        "html_url": f"{base}/{repository}/pull/{issue}#issuecomment-{number}",
        "issue_url": f"{base}/repos/{repository}/issues/{issue}",
        "body": body,
        "user": user(base, login),
        "created_at": CREATED,
        "updated_at": CREATED,
        "author_association": "MEMBER",
    }


def protection(
    *,
    reviews: int | None = 1,
    checks: dict[str, int | None] | None = None,
    force_push: bool = False,
    deletion: bool = False,
) -> JSON:
    """Build a branch-protection.

    Args:
        reviews: How many reviews it wants; None where no pull request is needed.
        checks: Required check → the app it must come from; None where no check is required.
        force_push: Whether history may be rewritten.
        deletion: Whether the branch may be deleted.
    """
    found: JSON = {
        "enforce_admins": {"url": "", "enabled": True},
        "allow_force_pushes": {"enabled": force_push},
        "allow_deletions": {"enabled": deletion},
    }
    if checks is not None:
        found["required_status_checks"] = {
            "contexts": list(checks),
            "checks": [{"context": name, "app_id": app_id} for name, app_id in checks.items()],
        }
    if reviews is not None:
        found["required_pull_request_reviews"] = {
            "dismiss_stale_reviews": True,
            "require_code_owner_reviews": False,
            "required_approving_review_count": reviews,
        }
    return found


def rule(kind: str, **parameters: Any) -> JSON:
    """Build one of a branch's rules."""
    found: JSON = {
        "type": kind,
        "ruleset_source_type": "Repository",
        "ruleset_source": "acme/shop",
        "ruleset_id": 42,
    }
    return found | ({"parameters": parameters} if parameters else {})
