"""What relaxing a rule does, whether it may be done, and what putting it back writes."""

from __future__ import annotations

import hashlib
import json

from blocks.pipeline import Protect, format_duration
from blocks.values.rules import BranchProtection, BranchRules
from flows.domain.approvals.values import ApprovalPolicy
from flows.domain.rules.rules import (
    BY_NAME,
    CHECKS,
    OPEN,
    PARTS,
    PULL_REQUESTS,
    stricter,
    wanted_rules,
    with_checks,
)
from flows.domain.words.durations import human_duration
from flows.domain.words.text import one_line

LONGEST_REASON = 500


def relaxed_protection(protection: BranchProtection, name: str) -> BranchProtection:
    """Return a protection with one rule let go."""
    rule = BY_NAME[name]
    return rule.write(protection, rule.open)


def put_back(now: BranchProtection | None, before: BranchProtection, name: str) -> BranchProtection:
    """Return what is in force now with one rule as it was before; what became stricter since stays so."""
    target = now if now is not None else OPEN
    section = _section(name)
    if section and getattr(target, section) is None:
        # Without its section nothing tells what stood beside the rule: all of it comes back.
        target = target.model_copy(update={section: getattr(before, section)})
    if name == CHECKS:
        named = {check.name for check in target.checks}
        missing = [check for check in before.checks if check.name not in named]
        return with_checks(target, [*target.checks, *missing])
    for rule in (BY_NAME[one] for one in (name, *sorted(PARTS.get(name, ())))):
        target = rule.write(target, stricter(rule, rule.read(target), rule.read(before)))
    return target


def _section(name: str) -> str:
    """Return the section of a protection a rule stands in; empty for one that stands by itself."""
    if name == PULL_REQUESTS or name in PARTS[PULL_REQUESTS]:
        return PULL_REQUESTS
    return CHECKS if name in {CHECKS, "strict"} else ""


def is_back(now: BranchProtection | None, before: BranchProtection, name: str) -> bool:
    """Say whether a rule is as strict again as it was before it was relaxed."""
    return now is not None and put_back(now, before, name) == now


def refusal(protect: Protect, branch: str, name: str, seconds: float, reason: str) -> str:
    """Say why a rule may not be relaxed as asked for; GitHub is not needed for that."""
    if protect.relax is None:
        return (
            "nobody is allowed to relax a rule — name people under protect.relax.approvers in pipeline.yaml"
        )
    if branch not in protect.branches:
        known = ", ".join(protect.branches) or "none"
        return f"{one_line(branch)} is no branch under protect — branches there are: {known}"
    asked = wanted_rules(protect.branches[branch])
    if name not in asked:
        return f"the pipeline asks for no rule {one_line(name)} on {branch} — rules there are: {', '.join(asked)}"
    longest = protect.relax.at_most
    if not 0 < seconds <= longest:
        return (
            f"a rule may be relaxed for {format_duration(longest)} at most, not for {human_duration(seconds)}"
            " — ask for less, or raise protect.relax.at_most"
        )
    if not reason.strip():
        return "the reason for relaxing the rule is missing — give a reason"
    return ""


def cannot_relax(found: BranchRules, name: str) -> str:
    """Say why GitHub's state does not allow to relax a rule; empty where it does."""
    rule = BY_NAME[name]
    if rule.read(found.rulesets or OPEN) != rule.open:
        return f"a ruleset enforces {name} on {found.branch} — change the ruleset, or add a bypass, on GitHub"
    if found.protection is None or rule.read(found.protection) == rule.open:
        return f"{name} is not in force on {found.branch} — there is nothing to relax"
    return ""


def request_hash(
    *,
    number: int,
    repository: str,
    branch: str,
    rule: str,
    seconds: int,
    reason: str,
    requested_by: str,
    policy: ApprovalPolicy,
) -> str:
    """Return what answers are bound to: another request has another one, and so has another policy."""
    who = [requested_by, policy.model_dump(mode="json")]
    data = [number, repository, branch, rule, seconds, reason, *who]
    return hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()


def policy_of_relaxing(protect: Protect) -> ApprovalPolicy:
    """Return who has to say yes. Who asks may answer as well: a verified person is what it takes.

    Args:
        protect: What the pipeline asks for; without `relax` nobody can say yes.
    """
    if protect.relax is None:
        return ApprovalPolicy(required=1)
    return ApprovalPolicy.model_validate(
        {
            "required": protect.relax.required,
            "approvers": protect.relax.approvers,
            "exclude_author": False,
            "exclude_requester": False,
            "expires_after": protect.relax.expires,
        }
    )
