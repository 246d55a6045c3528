"""The text of the approve form."""

from __future__ import annotations

from blocks.values.plans import Plan
from flows.domain.approvals import QuorumState
from flows.domain.plan_view import plan_markdown
from flows.domain.review_approvals import mark_line
from flows.domain.text import escape


def form_description(
    plan: Plan,
    quorum: QuorumState,
    last_refusal: str = "",
    *,
    authors: tuple[str, ...] = (),
    with_reviews: bool = False,
) -> str:
    """Render the description of the resume form.

    Args:
        plan: The plan that is asked about.
        quorum: How far the approvals are.
        last_refusal: Why the last answer did not count; empty where it did, or for the first question.
        authors: Those approvers who may not approve, for they wrote some of what comes in.
        with_reviews: A review on GitHub can answer too.

    Returns:
        Markdown: what became of the last answer, who has said yes, the whole plan.
    """
    told = [f"**The last answer did not count:** {escape(last_refusal, 300)}."] if last_refusal else []
    how = [how_to_review(plan)] if with_reviews else []
    return "\n\n".join([*told, _standing(quorum), *_excluded(quorum, authors), *how, plan_markdown(plan)])


def how_to_review(plan: Plan) -> str:
    """Say how a review on GitHub answers a plan, as Markdown.

    Args:
        plan: The plan.
    """
    return (
        "Here, or by a review of the pull request that brought the commit (*Approve*, or *Request changes* for a no) "
        f"whose text has this line:\n\n```text\n{mark_line(plan.environment, plan.hash)}\n```"
    )


def _standing(quorum: QuorumState) -> str:
    given = f" ({_names(quorum.by)})" if quorum.by else ""
    asked = f" May still answer: {_names(quorum.missing)}." if quorum.missing else ""
    return f"**{quorum.have} of {quorum.need} approvals** are in{given}.{asked}"


def _excluded(quorum: QuorumState, authors: tuple[str, ...]) -> list[str]:
    """Say who may only reject, and what to do where too few are left for a quorum."""
    if not authors:
        return []
    line = f"Wrote a commit that comes in, and so may only reject: {_names(authors)}."
    left = sum(name not in authors for name in quorum.missing)
    if left >= quorum.need - quorum.have:
        return [line]
    todo = "name other approvers in pipeline.yaml on the default branch, or set `approvals.not_author: false` there"
    return [f"{line} **So the approvals cannot come in:** {todo}."]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(escape(name, 40) for name in names)
