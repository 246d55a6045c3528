"""The rules on GitHub: read, and brought to what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.rules import RulesFound, RulesReceipt
from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blocks.values.rules import BranchProtection, BranchRules, EnvironmentRules
    from tasks.kernel.protocols import RuleKeeper

_ONCE_MORE = "look at the difference again"
# What answers may be a copy that is a moment behind.
_SHOWN_WITHIN_SECONDS = 10.0
_BETWEEN_SECONDS = 1.0


@fact("read rules")
def read_rules(keeper: RuleKeeper, *, branches: Iterable[str], environments: Iterable[str]) -> RulesFound:
    """Read what GitHub enforces on branches and environments.

    Running it twice is safe: it only reads.
    """
    found = RulesFound(
        branches=tuple(keeper.branch(branch) for branch in branches),
        environments=tuple(keeper.environment(name) for name in environments),
        page=keeper.page,
    )
    log().info("read: %s branches, %s environments", len(found.branches), len(found.environments))
    return found


@fact("protect branch")
def protect_branch(keeper: RuleKeeper, *, found: BranchRules, wanted: BranchProtection) -> RulesReceipt:
    """Replace the protection of a branch, and look whether GitHub took it.

    Running it twice is safe: it looks first, and a protection that is as wanted is left alone. One that is neither as
    it was found nor as wanted was changed by somebody else meanwhile, and is left alone as well.
    """
    branch = found.branch
    now = keeper.branch(branch).protection
    if _agrees(now, wanted):
        return RulesReceipt(place=branch, changed=False)
    if now != found.protection:
        raise TerminalError(f"the protection of {branch} was changed on GitHub meanwhile", _ONCE_MORE)
    keeper.protect(branch, wanted)
    if not _soon(lambda: _agrees(keeper.branch(branch).protection, wanted)):
        raise TerminalError(
            f"GitHub took the protection of {branch} and does not have all of it", "look at it on GitHub"
        )
    log().info("the protection of %s was changed", branch)
    return RulesReceipt(place=branch, changed=True)


@fact("protect environment")
def protect_environment(keeper: RuleKeeper, *, wanted: EnvironmentRules) -> RulesReceipt:
    """Make an environment on GitHub, or change what it asks for, and look whether GitHub took it.

    Running it twice is safe: it looks first, and writes only what is missing.
    """
    place = f"environment {wanted.name}"
    now = keeper.environment(wanted.name)
    if now.there and now.agrees(wanted):
        return RulesReceipt(place=place, changed=False)
    # One that an earlier try left between its request and its list of branches is brought to its end.
    if not now.within(wanted):
        raise TerminalError(f"the {place} was changed on GitHub meanwhile", _ONCE_MORE)
    keeper.guard(now, wanted)
    if not _soon(lambda: keeper.environment(wanted.name).agrees(wanted)):
        raise TerminalError(
            f"GitHub took the {place} and does not have all of it", "look at it under Settings, Environments"
        )
    log().info("the %s was changed", place)
    return RulesReceipt(place=place, changed=True)


def _agrees(found: BranchProtection | None, wanted: BranchProtection) -> bool:
    return found is not None and found.agrees(wanted)


def _soon(there: Callable[[], bool]) -> bool:
    return poll(there, seconds=_SHOWN_WITHIN_SECONDS, every=_BETWEEN_SECONDS)
