"""The text of the approve form."""

from __future__ import annotations

from blocks.values.plans import Plan
from flows.domain.approvals import QuorumState
from flows.domain.plan_view import plan_markdown
from flows.domain.text import escape


def form_description(plan: Plan, quorum: QuorumState, last_refusal: str = "") -> str:
    """Render the description of the resume form.

    Args:
        plan: The plan that is asked about.
        quorum: How far the approvals are.
        last_refusal: Why the last answer did not count; empty where it did, or for the first question.

    Returns:
        Markdown: what became of the last answer, who has said yes, the whole plan.
    """
    told = [f"**The last answer did not count:** {escape(last_refusal, 300)}."] if last_refusal else []
    return "\n\n".join([*told, _standing(quorum), plan_markdown(plan)])


def _standing(quorum: QuorumState) -> str:
    given = f" ({_names(quorum.by)})" if quorum.by else ""
    asked = f" May still answer: {_names(quorum.missing)}." if quorum.missing else ""
    return f"**{quorum.have} of {quorum.need} approvals** are in{given}.{asked}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(escape(name, 40) for name in names)
