"""What GitHub's JSON holds, as facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from blocks.values.github import CheckFact, ProtectionFact, PullRequestFact, RequiredCheck, ReviewFact

# An app id GitHub uses for "any app".
ANY_APP = -1


def status_fact(status: Mapping[str, Any]) -> CheckFact:
    """Return a commit status as a fact."""
    return CheckFact(
        kind="status",
        name=status["context"],
        state=status["state"],
        number=status["id"],
        link=status.get("target_url") or "",
    )


def check_fact(run: Mapping[str, Any]) -> CheckFact:
    """Return a check run as a fact; one that has not ended is pending, whatever GitHub calls that."""
    return CheckFact(
        kind="run",
        name=run["name"],
        state=(run["conclusion"] or "pending") if run["status"] == "completed" else "pending",
        number=run["id"],
        app_id=run["app"]["id"] if run.get("app") else None,
        link=run.get("html_url") or "",
    )


def pull_fact(pull: Mapping[str, Any]) -> PullRequestFact:
    """Return a pull request as a fact, without its reviews."""
    merged_at = pull["merged_at"]
    return PullRequestFact(
        number=pull["number"],
        author=login_of(pull["user"]),
        head=pull["head"]["sha"],
        base=pull["base"]["ref"],
        merged_at=datetime.fromisoformat(merged_at) if merged_at else None,
        merge_commit=(pull["merge_commit_sha"] or "") if merged_at else "",
        link=pull["html_url"],
        title=pull["title"] or "",
        open=pull["state"] == "open",
    )


def review_fact(review: Mapping[str, Any]) -> ReviewFact:
    """Return a review as a fact; whether who gave it may write is asked apart."""
    submitted_at = review.get("submitted_at")
    return ReviewFact(
        reviewer=login_of(review["user"]),
        state=review["state"],
        commit=review["commit_id"] or "",
        submitted_at=datetime.fromisoformat(submitted_at) if submitted_at else None,
        link=review["html_url"],
        number=review["id"],
        body=review["body"] or "",
    )


def login_of(account: Mapping[str, Any] | None) -> str:
    """Return the login of an account; empty for one that is gone."""
    return str((account or {}).get("login") or "")


def protection_fact(
    branch: str,
    summary: Mapping[str, Any],
    rules: Iterable[Mapping[str, Any]],
    whole: Mapping[str, Any],
    link: str,
) -> ProtectionFact:
    """Put together what branch protection and rulesets enforce: the stricter of the two holds.

    Args:
        summary: The branch, as `GET …/branches/{branch}` has it.
        rules: The rules in force, as `GET …/rules/branches/{branch}` has them.
        whole: The protection, as `GET …/branches/{branch}/protection` has it; empty where it was not read.
    """
    summary["protected"]  # what is no branch has none: nothing is concluded from it
    by_type = rules_by_type(rules)
    reviews = whole.get("required_pull_request_reviews")
    counts = [(reviews or {}).get("required_approving_review_count") or 0]
    counts += [
        parameters.get("required_approving_review_count") or 0
        for parameters in by_type.get("pull_request", ())
    ]
    return ProtectionFact(
        branch=branch,
        pull_requests=reviews is not None or "pull_request" in by_type,
        reviews=max(counts),
        required=tuple(
            dict.fromkeys(
                [*_protected_checks(summary), *ruled_checks(by_type.get("required_status_checks", ()))]
            )
        ),
        no_force_push=_forbidden(whole, "allow_force_pushes") or "non_fast_forward" in by_type,
        no_deletion=_forbidden(whole, "allow_deletions") or "deletion" in by_type,
        link=link,
    )


def rules_by_type(rules: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the parameters of the rules that rulesets enforce: type → one of each ruleset."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for rule in rules:
        found.setdefault(str(rule["type"]), []).append(rule.get("parameters") or {})
    return found


def checks_of(wanted: Mapping[str, Any]) -> list[RequiredCheck]:
    """Return the checks of a branch protection; older ones have names only, under `contexts`."""
    checks = [required_check(one["context"], one.get("app_id")) for one in wanted.get("checks") or ()]
    named = {check.name for check in checks}
    return checks + [required_check(name, None) for name in wanted.get("contexts") or () if name not in named]


def ruled_checks(rules: Iterable[Mapping[str, Any]]) -> list[RequiredCheck]:
    """Return the checks of rulesets, from their parameters."""
    return [
        required_check(one["context"], one.get("integration_id"))
        for parameters in rules
        for one in parameters.get("required_status_checks") or ()
    ]


def _forbidden(whole: Mapping[str, Any], key: str) -> bool:
    # A protection that does not mention it forbids it: that is GitHub's default.
    return bool(whole) and not (whole.get(key) or {}).get("enabled", False)


def _protected_checks(summary: Mapping[str, Any]) -> list[RequiredCheck]:
    wanted = (summary.get("protection") or {}).get("required_status_checks") or {}
    return [] if wanted.get("enforcement_level") == "off" else checks_of(wanted)


def required_check(name: str, app_id: int | None) -> RequiredCheck:
    """Return a check that GitHub requires; whatever app reports it, where it names none."""
    return RequiredCheck(name=name, app_id=None if app_id == ANY_APP else app_id)
