"""The comment on a pull request: where its change is, what is planned, and how to approve it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from blocks.values.base import Value
from blocks.values.lifecycle import Kind, Status
from blocks.values.plans import Plan
from blocks.values.publication import LONGEST_COMMENT
from blocks.values.schema_changes import Risk, worst
from flows.domain.publication.markdown import bounded, inline, link
from flows.domain.publication.states import status_words
from flows.domain.words.durations import human_duration
from flows.domain.words.text import code, fenced, table

_MOST_MIGRATIONS = 20
_SIGNS = {Risk.ADDITIVE: "🟢", Risk.LOCKING: "🟡", Risk.DESTRUCTIVE: "🔴", Risk.OPAQUE: "🔴"}


class RunningIn(Value):
    """A release that runs in an environment and holds the change.

    Attributes:
        address: Where it answers; empty where people cannot open it.
    """

    environment: str
    address: str = ""
    release_id: str
    since: datetime
    promotion: int
    run: str = ""


class Ask(Value):
    """People who are asked.

    Attributes:
        review: The line by which a review answers the plan; empty where none can.
    """

    have: int
    need: int
    missing: tuple[str, ...]
    until: datetime
    review: str = ""


class Attempt(Value):
    """The last promotion of the change to an environment, where its release is not simply what runs.

    Attributes:
        plan: What it would change, None where that is not known or no longer of interest.
        ask: Who is asked, None where nobody is.
    """

    environment: str
    kind: Kind
    status: Status
    message: str = ""
    release_id: str = ""
    at: datetime
    promotion: int
    run: str = ""
    plan: Plan | None = None
    ask: Ask | None = None


def marker(pipeline: str) -> str:
    """Return the hidden line that tells Sluice's comment from all others."""
    return f"<!-- sluice: {pipeline} -->"


def comment_body(
    pipeline: str, environments: Sequence[str], stays: Iterable[RunningIn], attempts: Iterable[Attempt]
) -> str:
    """Return the whole comment. Equal facts give equal text, so that nothing is written twice."""
    running, tried = tuple(stays), tuple(attempts)
    rows = [
        row
        for name in environments
        for row in (
            *(_stay(one) for one in running if one.environment == name),
            *(_attempt(one) for one in tried if one.environment == name),
        )
    ]
    lines = [marker(pipeline), f"### Where this change is in {inline(pipeline)}", ""]
    lines += (
        table(("Environment", "Release", "Since", "Status", "Run"), rows).split("\n")
        if rows
        else ["It runs nowhere."]
    )
    for name in environments:
        for one in tried:
            if one.environment == name:
                lines += _details(one)
    return bounded(lines, LONGEST_COMMENT)


def _stay(one: RunningIn) -> tuple[str, ...]:
    return (
        link(inline(one.environment), one.address),
        code(one.release_id),
        _when(one.since),
        "**runs**",
        link(f"{one.promotion}", one.run),
    )


def _attempt(one: Attempt) -> tuple[str, ...]:
    words = status_words(one.status)
    return (
        inline(one.environment),
        code(one.release_id) if one.release_id else "",
        _when(one.at),
        words if one.kind is Kind.PROMOTE else f"{one.kind.value}: {words}",
        link(f"{one.promotion}", one.run),
    )


def _details(one: Attempt) -> list[str]:
    if one.plan is None and one.ask is None:
        # What a promotion that waits or runs says is in the table already.
        return ["", f"**{inline(one.environment)}:** {inline(one.message, 400)}"] if one.message else []
    return [*(_plan(one.plan) if one.plan is not None else []), *(_ask(one) if one.ask is not None else [])]


def _plan(plan: Plan) -> list[str]:
    facts = [
        f"{len(plan.commits)} new commits",
        *([f"{len(plan.commits_leaving)} removed"] if plan.commits_leaving else []),
        f"{len(plan.images_changed)} of {len(plan.images)} images change",
        _migrations(plan),
        *(["a backup is taken first"] if plan.backup else []),
        *([f"about {human_duration(plan.expected_seconds)}"] if plan.expected_seconds is not None else []),
    ]
    lines = [
        "",
        f"#### Plan {code(plan.hash[:12])} for {inline(plan.environment)}",
        "",
        f"{', '.join(facts)}.",
    ]
    if plan.override:
        lines += ["", f"**Override:** {inline(plan.override, 300)}"]
    if plan.going_back is not None:
        lines += [
            "",
            f"**Way back:** {inline(str(plan.going_back.way))}: {inline(plan.going_back.reason, 400)}",
        ]
    return [*lines, *verdict_lines(plan)]


def _migrations(plan: Plan) -> str:
    if not plan.pending_known:
        return "migrations not known"
    if not plan.pending:
        return "no migration"
    verdict = f" ({worst(plan.verdicts)})" if plan.verdicts else ""
    return f"{len(plan.pending)} migrations{verdict}"


def verdict_lines(plan: Plan) -> list[str]:
    """Return the pending migrations with what they were judged to do.

    Returns:
        Lines of Markdown, an empty one first; none without pending migrations.
    """
    verdicts = {verdict.revision: verdict.risk for verdict in plan.verdicts}
    rows = [
        (code(one.id), inline(one.message), _verdict(verdicts.get(one.id)))
        for one in plan.pending[:_MOST_MIGRATIONS]
    ]
    if not rows:
        return []
    more = len(plan.pending) - len(rows)
    lines = ["", *table(("Migration", "What it does", "Verdict"), rows).split("\n")]
    return [*lines, *(["", f"… and {more} more"] if more else [])]


def _verdict(risk: Risk | None) -> str:
    return "not judged" if risk is None else f"{_SIGNS[risk]} {risk}"


def _ask(one: Attempt) -> list[str]:
    ask = one.ask
    if ask is None:
        return []
    people = ", ".join(inline(name, 40) for name in ask.missing) or "nobody"
    run = link("the run in the Prefect UI", one.run)
    return [
        "",
        f"**To approve:** open {run}, choose Resume, and answer with your one-time code. "
        f"{ask.have} of {ask.need} approvals are given; asked: {people}; until {_when(ask.until)}.",
        *(
            ["", "Or review the pull request that brought the commit, with this line in it:"]
            if ask.review
            else []
        ),
        *(["", fenced(ask.review)] if ask.review else []),
    ]


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
