"""The rules of a branch, one by one, in GitHub's own names: how each is read, written, and which value is stricter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from blocks.pipeline import BranchProtect
from blocks.values.github import RequiredCheck
from blocks.values.rules import AUTOMATIC, BranchProtection, ReviewRules, StatusRules

RuleValue = bool | int | tuple[str, ...]

PULL_REQUESTS = "required_pull_request_reviews"
CHECKS = "required_status_checks"

# What holds on a branch nobody protects.
OPEN = BranchProtection(allow_force_pushes=True, allow_deletions=True)


class Rule(NamedTuple):
    """One rule of a branch."""

    name: str
    open: RuleValue
    read: Callable[[BranchProtection], RuleValue]
    write: Callable[[BranchProtection, RuleValue], BranchProtection]


def _switch(name: str, *, open_value: bool = False) -> Rule:
    return Rule(
        name,
        open_value,
        lambda protection: bool(getattr(protection, name)),
        lambda protection, value: protection.model_copy(update={name: value}),
    )


def _of_reviews(name: str, open_value: RuleValue) -> Rule:
    def read(protection: BranchProtection) -> RuleValue:
        reviews = protection.required_pull_request_reviews
        return open_value if reviews is None else getattr(reviews, name)

    def write(protection: BranchProtection, value: RuleValue) -> BranchProtection:
        reviews = protection.required_pull_request_reviews
        if reviews is None and value == open_value:
            return protection
        changed = (reviews or ReviewRules()).model_copy(update={name: value})
        return protection.model_copy(update={PULL_REQUESTS: changed})

    return Rule(name, open_value, read, write)


def _write_pull_requests(protection: BranchProtection, value: RuleValue) -> BranchProtection:
    found = protection.required_pull_request_reviews
    return protection.model_copy(update={PULL_REQUESTS: (found or ReviewRules()) if value else None})


def with_checks(
    protection: BranchProtection, checks: Iterable[RequiredCheck], *, strict: bool | None = None
) -> BranchProtection:
    """Return a protection with other required checks; none and not strict is none at all.

    Args:
        strict: Whether the newest commit must be in; None as it is.
    """
    found = protection.required_status_checks or StatusRules()
    status = StatusRules(
        strict=found.strict if strict is None else strict,
        checks=tuple(sorted(checks, key=lambda check: (check.name, check.app_id or 0))),
    )
    return protection.model_copy(update={CHECKS: None if status == StatusRules() else status})


def _write_checks(protection: BranchProtection, value: RuleValue) -> BranchProtection:
    names = value if isinstance(value, tuple) else ()
    kept = [check for check in protection.checks if check.name in names]
    there = {check.name for check in kept}
    new = [RequiredCheck(name=name, app_id=AUTOMATIC) for name in names if name not in there]
    return with_checks(protection, [*kept, *new])


def _read_strict(protection: BranchProtection) -> RuleValue:
    status = protection.required_status_checks
    return status is not None and status.strict


RULES: tuple[Rule, ...] = (
    Rule(
        PULL_REQUESTS,
        open=False,
        read=lambda protection: protection.required_pull_request_reviews is not None,
        write=_write_pull_requests,
    ),
    _of_reviews("required_approving_review_count", 0),
    _of_reviews("dismiss_stale_reviews", open_value=False),
    _of_reviews("require_code_owner_reviews", open_value=False),
    _of_reviews("require_last_push_approval", open_value=False),
    Rule(
        CHECKS,
        open=(),
        read=lambda protection: tuple(dict.fromkeys(check.name for check in protection.checks)),
        write=_write_checks,
    ),
    Rule(
        "strict",
        open=False,
        read=_read_strict,
        write=lambda protection, value: with_checks(protection, protection.checks, strict=bool(value)),
    ),
    _switch("enforce_admins"),
    _switch("required_linear_history"),
    _switch("required_conversation_resolution"),
    _switch("allow_force_pushes", open_value=True),
    _switch("allow_deletions", open_value=True),
)
BY_NAME = {rule.name: rule for rule in RULES}
# Without pull requests nothing holds that they would need.
PARTS = {
    PULL_REQUESTS: frozenset(
        {
            "required_approving_review_count",
            "dismiss_stale_reviews",
            "require_code_owner_reviews",
            "require_last_push_approval",
        }
    )
}


def reaches(rule: Rule, found: RuleValue, wanted: RuleValue) -> bool:
    """Say whether a value is at least as strict as another one."""
    if isinstance(found, tuple) and isinstance(wanted, tuple):
        return set(wanted) <= set(found)
    if isinstance(found, int) and isinstance(wanted, int) and not isinstance(found, bool):
        return found >= wanted
    return found == wanted or found != rule.open


def stricter(rule: Rule, one: RuleValue, other: RuleValue) -> RuleValue:
    """Return the stricter of two values; of two lists, both together."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(dict.fromkeys((*one, *other)))
    return one if reaches(rule, one, other) else other


def wanted_rules(protect: BranchProtect) -> dict[str, RuleValue]:
    """Return what a pipeline asks for on a branch.

    Returns:
        Rule → value; only what asks for something.
    """
    reviews, status = protect.required_pull_request_reviews, protect.required_status_checks
    asked: dict[str, RuleValue] = {
        **(({PULL_REQUESTS: True} | reviews.model_dump()) if reviews is not None else {}),
        **({CHECKS: status.checks, "strict": status.strict} if status is not None else {}),
        **protect.model_dump(exclude={PULL_REQUESTS, CHECKS}),
    }
    return {rule.name: asked[rule.name] for rule in RULES if asked.get(rule.name, rule.open) != rule.open}
