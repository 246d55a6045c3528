"""The policy that counts for one promotion: the environment's own, or that of a hotfix or of an overridden freeze."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks.values.plans import GateAnswer
from flows.domain.words.refs import RefFacts, RefPolicy, ref_allowed

if TYPE_CHECKING:
    from blocks.pipeline import Gates, Policy

# What a gate looks like that is not asked.
_SKIPPED: dict[str, dict[str, Any]] = {
    "soak": {"soak": 0.0},
    "freeze": {"freeze": ()},
    "version": {"version": False},
    "reachable": {"reachable_from": None},
}


def is_hotfix(policy: Policy, ref: RefFacts) -> bool:
    """Say whether a ref takes the hotfix's way: only where it may not enter by the usual one."""
    if policy.gates.hotfix is None:
        return False
    usual = RefPolicy(branches=policy.branches, tags=policy.tags)
    urgent = RefPolicy(branches=policy.gates.hotfix.branches)
    return not ref_allowed(ref, policy.name, usual).passed and ref_allowed(ref, policy.name, urgent).passed


def policy_for(policy: Policy, ref: RefFacts, *, freeze_override: str = "") -> Policy:
    """Return the policy that counts for a promotion.

    It depends on nothing that changes while people are asked, so that the plan they approve stays the same.

    Args:
        freeze_override: Why a freeze is overridden; empty without.

    Returns:
        For a hotfix: its branches, without the gates it skips, and with its quorum. For an overridden freeze: with the
        quorum of that. Otherwise the policy as it is.
    """
    hotfix = policy.gates.hotfix
    if hotfix is not None and is_hotfix(policy, ref):
        proven_in = None if "proven" in hotfix.skips else policy.proven_in
        changes = {"branches": hotfix.branches, "tags": (), "proven_in": proven_in}
        gates = _without(policy.gates, hotfix.skips, soaks=proven_in is not None)
        policy = _with_quorum(policy.model_copy(update={**changes, "gates": gates}), hotfix.approvals)
    if freeze_override and policy.gates.freeze:
        policy = _with_quorum(policy, policy.gates.override_required)
    return policy


def hotfix_answer(policy: Policy) -> GateAnswer:
    """Return what people read of a hotfix: which gates are not asked, and how many answer for it.

    Args:
        policy: The policy that counts for it, as `policy_for` returns it.
    """
    skips = policy.gates.hotfix.skips if policy.gates.hotfix is not None else ()
    required = policy.approvals.required if policy.approvals is not None else 0
    left_out = f"not asked: {', '.join(skips)}" if skips else "every gate is asked"
    return GateAnswer(gate="hotfix", passed=True, reason=f"a hotfix; {left_out}; approvals: {required}")


def _without(gates: Gates, skips: tuple[str, ...], *, soaks: bool) -> Gates:
    # Nothing soaks where it need not have been.
    names = {*skips, *(() if soaks else ("soak",))}
    changes = {key: value for name in names for key, value in _SKIPPED.get(name, {}).items()}
    return gates.model_copy(update=changes)


def _with_quorum(policy: Policy, required: int) -> Policy:
    """Ask for at least so many approvals, or for everybody's; where nobody is asked, nobody is."""
    approvals = policy.approvals
    if approvals is None:
        return policy
    most = max(approvals.required, min(required, len(approvals.approvers)))
    return policy.model_copy(update={"approvals": approvals.model_copy(update={"required": most})})
