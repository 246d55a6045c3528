"""GitHub's JSON of protections, rulesets and environments, as values and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blocks.values.github import RequiredCheck
from blocks.values.rules import (
    AUTOMATIC,
    Actors,
    BranchProtection,
    DeploymentRef,
    EnvironmentRules,
    Reviewer,
    ReviewRules,
    StatusRules,
)
from tasks.github.facts import ANY_APP, checks_of, ruled_checks, rules_by_type

_SWITCHES = (
    "required_linear_history",
    "required_conversation_resolution",
    "allow_force_pushes",
    "allow_deletions",
    "block_creations",
    "lock_branch",
    "allow_fork_syncing",
)
_KNOWN = frozenset(
    {
        *_SWITCHES,
        "url",
        "name",
        "enabled",
        "protection_url",
        "enforce_admins",
        "required_signatures",
        "required_status_checks",
        "required_pull_request_reviews",
        "restrictions",
    }
)
_REVIEW_SWITCHES = ("dismiss_stale_reviews", "require_code_owner_reviews", "require_last_push_approval")
_REVIEWS_KNOWN = frozenset(
    {
        *_REVIEW_SWITCHES,
        "url",
        "required_approving_review_count",
        "dismissal_restrictions",
        "bypass_pull_request_allowances",
    }
)
_NAMED_BY = {"users": "login", "teams": "slug", "apps": "slug"}


def protection_of(data: Mapping[str, Any]) -> BranchProtection:
    """Return a branch protection, as `GET …/branches/{branch}/protection` has it."""
    reviews = data.get("required_pull_request_reviews")
    return BranchProtection(
        required_status_checks=_status_rules(data.get("required_status_checks")),
        required_pull_request_reviews=None if reviews is None else _review_rules(reviews),
        restrictions=_actors(data.get("restrictions")),
        enforce_admins=_on(data, "enforce_admins"),
        required_signatures=_on(data, "required_signatures"),
        others=(*_others(data, _KNOWN), *_others(reviews or {}, _REVIEWS_KNOWN)),
        **{name: _on(data, name) for name in _SWITCHES},
    )


def _on(data: Mapping[str, Any], name: str) -> bool:
    return bool((data.get(name) or {}).get("enabled", False))


def _others(data: Mapping[str, Any], known: frozenset[str]) -> tuple[str, ...]:
    """Return the names of what is in force and not known here; what is off needs no care."""
    return tuple(sorted(name for name, value in data.items() if name not in known and not _off(value)))


def _off(value: object) -> bool:
    return not value or (isinstance(value, dict) and value.get("enabled") is False)


def _status_rules(data: Mapping[str, Any] | None) -> StatusRules | None:
    if data is None:
        return None
    return StatusRules(strict=bool(data.get("strict", False)), checks=_in_order(checks_of(data)))


def _in_order(checks: Iterable[RequiredCheck]) -> tuple[RequiredCheck, ...]:
    return tuple(sorted(set(checks), key=lambda check: (check.name, check.app_id or 0)))


def _review_rules(data: Mapping[str, Any]) -> ReviewRules:
    return ReviewRules(
        required_approving_review_count=data.get("required_approving_review_count") or 0,
        dismissal_restrictions=_actors(data.get("dismissal_restrictions")),
        bypass_pull_request_allowances=_actors(data.get("bypass_pull_request_allowances")),
        **{name: bool(data.get(name, False)) for name in _REVIEW_SWITCHES},
    )


def _actors(data: Mapping[str, Any] | None) -> Actors | None:
    if data is None:
        return None
    return Actors(
        **{kind: tuple(sorted(one[by] for one in data.get(kind) or ())) for kind, by in _NAMED_BY.items()}
    )


def protection_body(protection: BranchProtection) -> dict[str, Any]:
    """Return what `PUT …/branches/{branch}/protection` takes: all of it, for it replaces all of it."""
    return {
        "required_status_checks": _status_body(protection.required_status_checks),
        "enforce_admins": protection.enforce_admins,
        "required_pull_request_reviews": _review_body(protection.required_pull_request_reviews),
        "restrictions": _actors_body(protection.restrictions),
        **{name: getattr(protection, name) for name in _SWITCHES},
    }


def _status_body(rules: StatusRules | None) -> dict[str, Any] | None:
    if rules is None:
        return None
    # GitHub takes either `checks` or its predecessor `contexts`, not both.
    return {"strict": rules.strict, "checks": [_check_body(check) for check in rules.checks]}


def _check_body(check: RequiredCheck) -> dict[str, Any]:
    # No id at all means: the app that reported it lately.
    if check.app_id == AUTOMATIC:
        return {"context": check.name}
    return {"context": check.name, "app_id": ANY_APP if check.app_id is None else check.app_id}


def _review_body(rules: ReviewRules | None) -> dict[str, Any] | None:
    if rules is None:
        return None
    body = rules.model_dump(include={"required_approving_review_count", *_REVIEW_SWITCHES})
    # A repository of a person takes neither, not even empty.
    for name in ("dismissal_restrictions", "bypass_pull_request_allowances"):
        actors = _actors_body(getattr(rules, name))
        body |= {name: actors} if actors is not None else {}
    return body


def _actors_body(actors: Actors | None) -> dict[str, list[str]] | None:
    return None if actors is None else {kind: list(getattr(actors, kind)) for kind in _NAMED_BY}


def rulesets_of(rules: Iterable[Mapping[str, Any]]) -> BranchProtection | None:
    """Put the rules that rulesets enforce on a branch as a protection; of several the strictest counts.

    Returns:
        The protection, None where there is no rule it could hold. Whether administrators may pass over a ruleset is
        not told there.
    """
    by_type = rules_by_type(rules)
    pulls, status = by_type.get("pull_request", []), by_type.get("required_status_checks", [])
    found = BranchProtection(
        required_status_checks=_ruled_status(status) if status else None,
        required_pull_request_reviews=_ruled_reviews(pulls) if pulls else None,
        required_linear_history="required_linear_history" in by_type,
        required_conversation_resolution=any(one.get("required_review_thread_resolution") for one in pulls),
        allow_force_pushes="non_fast_forward" not in by_type,
        allow_deletions="deletion" not in by_type,
    )
    nothing = BranchProtection(allow_force_pushes=True, allow_deletions=True)
    return None if found == nothing else found


def _ruled_reviews(pulls: list[Mapping[str, Any]]) -> ReviewRules:
    return ReviewRules(
        required_approving_review_count=max(one.get("required_approving_review_count") or 0 for one in pulls),
        dismiss_stale_reviews=any(one.get("dismiss_stale_reviews_on_push") for one in pulls),
        require_code_owner_reviews=any(one.get("require_code_owner_review") for one in pulls),
        require_last_push_approval=any(one.get("require_last_push_approval") for one in pulls),
    )


def _ruled_status(rules: list[Mapping[str, Any]]) -> StatusRules:
    return StatusRules(
        strict=any(one.get("strict_required_status_checks_policy") for one in rules),
        checks=_in_order(ruled_checks(rules)),
    )


def environment_of(
    data: Mapping[str, Any], patterns: Iterable[Mapping[str, Any]], owner: str
) -> EnvironmentRules:
    """Return an environment, as `GET …/environments/{name}` has it."""
    rules = {str(rule["type"]): rule for rule in data.get("protection_rules") or ()}
    asked = rules.get("required_reviewers") or {}
    policy = data.get("deployment_branch_policy")
    return EnvironmentRules(
        name=data["name"],
        reviewers=tuple(_reviewer(one, owner) for one in asked.get("reviewers") or ()),
        wait_minutes=(rules.get("wait_timer") or {}).get("wait_timer") or 0,
        prevent_self_review=bool(asked.get("prevent_self_review", False)),
        refs="all" if policy is None else "protected" if policy.get("protected_branches") else "listed",
        patterns=tuple(
            DeploymentRef(kind=one.get("type") or "branch", name=one["name"], number=one["id"])
            for one in patterns
        ),
        can_admins_bypass=data.get("can_admins_bypass"),
    )


def _reviewer(data: Mapping[str, Any], owner: str) -> Reviewer:
    who = data["reviewer"]
    if data["type"] == "Team":
        return Reviewer(kind="Team", name=f"{owner}/{who['slug']}", number=who["id"])
    return Reviewer(kind="User", name=who["login"], number=who["id"])


def environment_body(rules: EnvironmentRules) -> dict[str, Any]:
    """Return what `PUT …/environments/{name}` takes: all of it, for what is left out is reset."""
    policy = {
        "protected_branches": rules.refs == "protected",
        "custom_branch_policies": rules.refs == "listed",
    }
    body: dict[str, Any] = {
        "wait_timer": rules.wait_minutes,
        "reviewers": [{"type": one.kind, "id": one.number} for one in rules.reviewers] or None,
        "deployment_branch_policy": None if rules.refs == "all" else policy,
    }
    # Older servers know neither of these; each is only told where it is not what GitHub takes by itself.
    body |= {"prevent_self_review": True} if rules.prevent_self_review else {}
    return body | ({"can_admins_bypass": False} if rules.can_admins_bypass is False else {})
