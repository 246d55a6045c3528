"""How the rules on GitHub stand: read, compared with the pipeline, and written where something is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.core.outcome import reported
from flows.domain.rules.difference import RuleLine, compare_rules, environment_lines, guarded, raised
from flows.domain.rules.difference import RuleState as State
from flows.domain.rules.view import rule_lines
from tasks.github.protection import protect_branch, protect_environment, read_rules
from tasks.kernel.errors import SluiceError

if TYPE_CHECKING:
    from blocks.pipeline import Protect
    from blocks.values.rules import RulesFound, RulesReceipt
    from flows.core.session import Session
    from tasks.kernel.protocols import RuleKeeper
    from tasks.ledger.relaxation_records import RelaxationRecord


@dataclass(frozen=True)
class ComparedRules:
    """How the rules stand."""

    found: RulesFound
    lines: tuple[RuleLine, ...]
    standing: tuple[RelaxationRecord, ...]

    @property
    def relaxed(self) -> dict[str, frozenset[str]]:
        """Branch → its rules that are relaxed now."""
        return _by_branch(self.standing)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not in force and was not relaxed, one line each."""
        return tuple(rule_lines(self.lines))


def look_at_rules(session: Session, keeper: RuleKeeper) -> ComparedRules:
    """Read the rules and compare them with the pipeline."""
    protect = session.pipeline.protect
    # First of all: a rule that is relaxed while it is read must not be taken for a missing one.
    standing = tuple(session.ledger.relaxations.standing(keeper.page))
    found = read_rules(keeper, branches=tuple(protect.branches), environments=tuple(protect.environments))
    return ComparedRules(found, compare_rules(protect, found, _by_branch(standing)), standing)


def _by_branch(standing: tuple[RelaxationRecord, ...]) -> dict[str, frozenset[str]]:
    branches = {one.branch for one in standing}
    return {branch: frozenset(one.rule for one in standing if one.branch == branch) for branch in branches}


def write_rules(protect: Protect, keeper: RuleKeeper, looked: ComparedRules) -> tuple[list[str], list[str]]:
    """Write what is missing, each branch and environment for itself: what fails keeps no other from being written."""
    changed: list[str] = []
    failed: list[str] = []
    for write in _writings(protect, keeper, looked):
        try:
            receipt = write()
        except SluiceError as error:
            failed.append(reported(error))
        else:
            changed += [receipt.place] if receipt.changed else []
    return changed, failed


def _writings(
    protect: Protect, keeper: RuleKeeper, looked: ComparedRules
) -> list[Callable[[], RulesReceipt]]:
    writings: list[Callable[[], RulesReceipt]] = []
    for found in looked.found.branches:
        relaxed = looked.relaxed.get(found.branch, frozenset())
        wanted = raised(found, protect.branches[found.branch], relaxed)
        if wanted is not None:
            writings.append(lambda f=found, w=wanted: protect_branch(keeper, found=f, wanted=w))  # type: ignore[misc]
    for there in looked.found.environments:
        asked = protect.environments[there.name]
        if any(line.state is State.MISSING for line in environment_lines(there, asked)):
            guard = guarded(there, asked)
            writings.append(lambda g=guard: protect_environment(keeper, wanted=g))  # type: ignore[misc]
    return writings
