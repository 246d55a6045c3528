"""The text of the approve form."""

from __future__ import annotations

from collections.abc import Collection

from blocks.values.plans import Plan
from flows.domain.approvals.reviews import mark_line
from flows.domain.approvals.values import QuorumState
from flows.domain.promotion.plan_view import plan_markdown
from flows.domain.words.text import escape


def form_description(
    plan: Plan,
    quorum: QuorumState,
    last_refusal: str = "",
    *,
    authors: tuple[str, ...] | None = (),
    requester: tuple[str, ...] = (),
    with_reviews: bool = False,
) -> str:
    """Render the description of the resume form.

    Args:
        last_refusal: Why the last answer did not count; empty where it did, or for the first question.
        authors: Those approvers who may not approve, for they wrote some of what comes in; None where nobody knows
            them, and so nobody may.
    """
    told = [f"**The last answer did not count:** {escape(last_refusal, 300)}."] if last_refusal else []
    how = [how_to_review(plan)] if with_reviews else []
    excluded = _excluded(quorum, authors, requester, plan.environment)
    return "\n\n".join([*told, _standing(quorum), *excluded, *how, plan_markdown(plan)])


def how_to_review(plan: Plan) -> str:
    """Say how a review on GitHub answers a plan, as Markdown."""
    return (
        "Here, or by a review of the pull request that brought the commit (*Approve*, or *Request changes* for a no) "
        f"whose text has this line:\n\n```text\n{mark_line(plan.environment, plan.hash)}\n```"
    )


def _standing(quorum: QuorumState) -> str:
    given = f" ({_names(quorum.by)})" if quorum.by else ""
    asked = f" May still answer: {_names(quorum.missing)}." if quorum.missing else ""
    return f"**{quorum.have} of {quorum.need} approvals** are given{given}.{asked}"


def _excluded(
    quorum: QuorumState, authors: tuple[str, ...] | None, requester: tuple[str, ...], environment: str
) -> list[str]:
    """Say who may only reject, and what to do where too few are left for a quorum."""
    lines = []
    if authors is None:
        lines.append("Not all authors of what comes in are known, and so nobody may approve.")
    elif authors:
        lines.append(f"Wrote a commit that comes in, and so may only reject: {_names(authors)}.")
    if requester:
        lines.append(f"Asked for it, and so may only reject: {_names(requester)}.")
    barred = {*quorum.missing} if authors is None else {*authors, *requester}
    if lines and not _enough(quorum, barred):
        ways = "; ".join(_ways_out(quorum, authors, requester, f"environments.{environment}.approvals"))
        lines.append(
            f"**So the approvals cannot come in.** Do one of these, then start it again: {ways}. The keys are those of "
            "pipeline.yaml on the default branch."
        )
    return lines


def _enough(quorum: QuorumState, barred: Collection[str]) -> bool:
    return sum(name not in barred for name in quorum.missing) >= quorum.need - quorum.have


def _ways_out(
    quorum: QuorumState, authors: tuple[str, ...] | None, requester: tuple[str, ...], where: str
) -> list[str]:
    """Say what lets the approvals come in: each of it does so by itself."""
    off, other = f"set `{where}.not_author: false` until this release is in", "have somebody else ask for it"
    add = f"add other people to `{where}.approvers`"
    ways = [add] if authors is not None else []
    by_author, by_requester = authors is None or bool(authors), bool(requester)
    alone = [
        *([off] if by_author and _enough(quorum, requester) else []),
        *([other] if by_requester and authors is not None and _enough(quorum, authors) else []),
    ]
    both = by_author and by_requester and not alone and _enough(quorum, ())
    return [*ways, *alone, *([f"{off}, and {other}"] if both else [])] or [f"{off}, and {add}"]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(escape(name, 40) for name in names)
