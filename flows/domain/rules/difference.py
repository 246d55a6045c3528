"""How what GitHub enforces differs from what the pipeline asks for, and what would have to be written.

The pipeline names the least: what is stricter on GitHub stays, and so does what the pipeline does not name. The
lists of who may review and of what may be deployed are taken as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from blocks.pipeline import BranchProtect, EnvironmentProtect, Protect
from blocks.values.base import Value
from blocks.values.rules import (
    BranchProtection,
    BranchRules,
    DeploymentRef,
    EnvironmentRules,
    Reviewer,
    RulesFound,
)
from flows.domain.rules.rules import (
    CHECKS,
    OPEN,
    PARTS,
    RULES,
    Rule,
    RuleValue,
    reaches,
    stricter,
    wanted_rules,
)

ENVIRONMENT = "environment "
MADE = "exists"


class RuleState(StrEnum):
    """What is the matter with a rule the pipeline asks for."""

    MISSING = "missing"
    RELAXED = "relaxed"
    STRICTER = "stricter on GitHub, kept"
    RULESET = "in force by a ruleset"
    IN_FORCE = "in force"


class RuleLine(Value):
    """One rule the pipeline asks for."""

    place: str
    rule: str
    found: str
    wanted: str
    state: RuleState

    @property
    def change(self) -> str:
        """What is found, and what it becomes."""
        return f"{self.found} → {self.wanted}" if self.state is RuleState.MISSING else self.found


Relaxed = Mapping[str, frozenset[str]]


def compare_rules(protect: Protect, found: RulesFound, relaxed: Relaxed) -> tuple[RuleLine, ...]:
    """Compare everything the pipeline asks for with what was found."""
    lines: list[RuleLine] = []
    for one in found.branches:
        lines += branch_lines(one, protect.branches[one.branch], relaxed.get(one.branch, frozenset()))
    for environment in found.environments:
        lines += environment_lines(environment, protect.environments[environment.name])
    return tuple(lines)


def branch_lines(
    found: BranchRules, protect: BranchProtect, relaxed: Iterable[str] = ()
) -> tuple[RuleLine, ...]:
    """Compare the rules of one branch."""
    let_go = {part for name in relaxed for part in (name, *PARTS.get(name, ()))}
    wanted = wanted_rules(protect)
    return tuple(
        _line(found, rule, wanted[rule.name], may_lack=rule.name in let_go)
        for rule in RULES
        if rule.name in wanted
    )


def _line(found: BranchRules, rule: Rule, wanted: RuleValue, *, may_lack: bool) -> RuleLine:
    own, ruled = _own(found, rule), rule.read(found.rulesets or OPEN)
    both = stricter(rule, own, ruled)
    if not reaches(rule, both, wanted):
        state = RuleState.RELAXED if may_lack else RuleState.MISSING
    elif not reaches(rule, own, wanted):
        state = RuleState.RULESET
    elif not reaches(rule, wanted, both):
        state = RuleState.STRICTER
    else:
        state = RuleState.IN_FORCE
    becomes = stricter(rule, both, wanted) if state is RuleState.MISSING else wanted
    return RuleLine(
        place=found.branch, rule=rule.name, found=value_text(both), wanted=value_text(becomes), state=state
    )


def _own(found: BranchRules, rule: Rule) -> RuleValue:
    return rule.read(found.protection or OPEN)


def raised(
    found: BranchRules, protect: BranchProtect, relaxed: Iterable[str] = ()
) -> BranchProtection | None:
    """Return the protection that has what is missing, and everything that was found.

    Args:
        relaxed: The rules that people relaxed for a while; they are left as they are.
    """
    wanted = wanted_rules(protect)
    lines = branch_lines(found, protect, relaxed)
    missing = {line.rule for line in lines if line.state is RuleState.MISSING}
    if not missing:
        return None
    target = found.protection or BranchProtection()
    if found.protection is None:
        # A new protection forbids both by itself; what nobody asks for is not to be changed.
        target = target.model_copy(
            update={
                "allow_force_pushes": protect.allow_force_pushes,
                "allow_deletions": protect.allow_deletions,
            }
        )
    for rule in (rule for rule in RULES if rule.name in missing):
        target = rule.write(target, _lacking(found, rule, wanted[rule.name]))
    return target


def _lacking(found: BranchRules, rule: Rule, wanted: RuleValue) -> RuleValue:
    """Return the value a rule gets; checks that a ruleset requires need not be required twice."""
    if rule.name == CHECKS and isinstance(wanted, tuple):
        ruled = {check.name for check in (found.rulesets or OPEN).checks}
        wanted = tuple(name for name in wanted if name not in ruled)
    return stricter(rule, _own(found, rule), wanted)


def environment_lines(found: EnvironmentRules, protect: EnvironmentProtect) -> tuple[RuleLine, ...]:
    """Compare what is asked before a job enters an environment."""
    wanted = guarded(found, protect)
    place = f"{ENVIRONMENT}{found.name}"
    rows: list[tuple[str, str, str, bool]] = [(MADE, "yes" if found.there else "no", "yes", found.there)]
    if protect.reviewers:
        same = {one.key for one in found.reviewers} == {one.key for one in wanted.reviewers}
        rows.append(("reviewers", _people(found), _people(wanted), same))
    if protect.prevent_self_review:
        rows.append(
            ("prevent_self_review", value_text(found.prevent_self_review), "true", found.prevent_self_review)
        )
    if protect.protected_branches or protect.deployment_branches or protect.deployment_tags:
        same = (found.refs, _keys(found)) == (wanted.refs, _keys(wanted))
        rows.append(("deployment_branch_policy", _refs(found), _refs(wanted), same))
    lines = [
        RuleLine(
            place=place,
            rule=rule,
            found=before,
            wanted=after,
            state=RuleState.IN_FORCE if same else RuleState.MISSING,
        )
        for rule, before, after, same in rows
    ]
    return (*lines, *([_wait_line(place, found, protect)] if protect.wait_timer else []))


def _wait_line(place: str, found: EnvironmentRules, protect: EnvironmentProtect) -> RuleLine:
    asked = _minutes(protect)
    states = {-1: RuleState.MISSING, 0: RuleState.IN_FORCE, 1: RuleState.STRICTER}
    state = states[(found.wait_minutes > asked) - (found.wait_minutes < asked)]
    before, after = f"{found.wait_minutes} min", f"{asked} min"
    return RuleLine(place=place, rule="wait_timer", found=before, wanted=after, state=state)


def guarded(found: EnvironmentRules, protect: EnvironmentProtect) -> EnvironmentRules:
    """Return what an environment is to be: what the pipeline asks for, and the rest as it was found."""
    known = {one.key: one for one in found.reviewers}
    reviewers = [_reviewer(name) for name in protect.reviewers]
    listed = [
        *(DeploymentRef(name=name) for name in protect.deployment_branches),
        *(DeploymentRef(kind="tag", name=name) for name in protect.deployment_tags),
    ]
    there = {one.key: one for one in found.patterns}
    changes: dict[str, object] = {
        "there": True,
        "reviewers": tuple(known.get(one.key, one) for one in reviewers) or found.reviewers,
        "wait_minutes": max(found.wait_minutes, _minutes(protect)),
        "prevent_self_review": found.prevent_self_review or protect.prevent_self_review,
    }
    if protect.protected_branches:
        changes |= {"refs": "protected", "patterns": ()}
    elif listed:
        changes |= {"refs": "listed", "patterns": tuple(there.get(one.key, one) for one in listed)}
    return found.model_copy(update=changes)


def _minutes(protect: EnvironmentProtect) -> int:
    return int(protect.wait_timer // 60)


def _reviewer(name: str) -> Reviewer:
    return Reviewer(kind="Team" if "/" in name else "User", name=name)


def _people(rules: EnvironmentRules) -> str:
    return ", ".join(sorted(one.name for one in rules.reviewers)) or "nobody"


def _keys(rules: EnvironmentRules) -> set[tuple[str, str]]:
    return {one.key for one in rules.patterns}


def _refs(rules: EnvironmentRules) -> str:
    if rules.refs == "all":
        return "any branch"
    if rules.refs == "protected":
        return "protected branches"
    listed = sorted(f"{one.kind} {one.name}" for one in rules.patterns)
    return ", ".join(listed) or "no branch"


def value_text(value: RuleValue) -> str:
    """Write a value as people read it."""
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value).lower()
