"""What people are told about rules on GitHub: the difference, a request to relax one, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from blocks.values.drift import Difference
from flows.domain.approvals.values import QuorumState
from flows.domain.drift.hosts import PROTECTION, RELAXATION, mend
from flows.domain.drift.view import RecordedDifference
from flows.domain.promotion.messages import cut
from flows.domain.rules.difference import RuleLine, RuleState
from flows.domain.words.durations import human_duration
from flows.domain.words.text import code, escape, one_line, printable, table

# In the place of an environment where something is about the repository; no environment has such a name.
GITHUB = "GitHub"

_ORDER = (RuleState.MISSING, RuleState.RELAXED, RuleState.STRICTER, RuleState.RULESET, RuleState.IN_FORCE)


class RelaxationRequest(Protocol):
    """A request to relax a rule, as far as it matters here."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def branch(self) -> str:
        """The branch."""
        ...

    @property
    def rule(self) -> str:
        """The rule."""
        ...

    @property
    def seconds(self) -> int:
        """For how long."""
        ...

    @property
    def reason(self) -> str:
        """Why."""
        ...

    @property
    def requested_by(self) -> str:
        """Who asked, as they say."""
        ...

    @property
    def approved_by(self) -> str:
        """Who let it happen."""
        ...

    @property
    def until(self) -> datetime | None:
        """When it is put back."""
        ...


def rule_rows(lines: Sequence[RuleLine]) -> list[tuple[str, str, str, str, str]]:
    """Return the cells of a table for the console: place, rule, found → wanted, state; what is missing first."""
    ordered = sorted(lines, key=lambda line: _ORDER.index(line.state))
    return [(line.state.value, line.place, line.rule, line.found, line.wanted) for line in ordered]


def rule_lines(lines: Sequence[RuleLine]) -> list[str]:
    """Return one line for each rule that is missing: `main enforce_admins: false → true`."""
    return [
        one_line(f"{line.place} {line.rule}: {line.change}", 300)
        for line in lines
        if line.state is RuleState.MISSING
    ]


def rules_summary(lines: Sequence[RuleLine], *, changed: Sequence[str], applied: bool) -> str:
    """Return in one line how the rules stand."""
    if not lines:
        return "the pipeline asks for no rules on GitHub: add protect to pipeline.yaml"
    missing = sum(line.state is RuleState.MISSING for line in lines)
    relaxed = sum(line.state is RuleState.RELAXED for line in lines)
    parts = [f"{len(lines) - missing - relaxed} of {len(lines)} rules are in force"]
    parts += [f"{missing} are missing"] if missing else []
    parts += [f"{relaxed} are relaxed for a limited time"] if relaxed else []
    parts += [f"changed: {', '.join(one_line(name, 60) for name in changed)}"] if changed else []
    if missing and not applied:
        parts.append("nothing was changed: run it with apply")
    return "; ".join(parts)


def rules_markdown(
    pipeline: str,
    lines: Sequence[RuleLine],
    *,
    changed: Sequence[str],
    failed: Sequence[str],
    standing: Sequence[RelaxationRequest],
    page: str,
) -> str:
    """Return the report of a look at the rules."""
    ordered = sorted(lines, key=lambda line: _ORDER.index(line.state))
    rows = [
        (
            escape(line.place),
            code(line.rule),
            escape(line.found, 300),
            escape(line.wanted, 300),
            f"**{line.state.value}**" if line.state is RuleState.MISSING else line.state.value,
        )
        for line in ordered
    ]
    parts = [
        f"# {escape(pipeline)}: rules on GitHub",
        escape(page, 300),
        table(("Where", "Rule", "In force", "pipeline.yaml", ""), rows)
        if rows
        else "The pipeline asks for none.",
        *(["## Changed", _list(changed)] if changed else []),
        *(["## Not changed", _list(failed)] if failed else []),
        *(["## Relaxed", _list([standing_line(one) for one in standing])] if standing else []),
    ]
    return "\n\n".join(parts) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape(line, 400)}" for line in lines)


def rule_differences(lines: Sequence[RuleLine]) -> list[Difference]:
    """Return what differs from the pipeline, as it is recorded and told once."""
    return [
        Difference(
            GITHUB,
            PROTECTION,
            one_line(f"{line.place} {line.rule}", 200),
            f"is {one_line(line.found, 200)}, the pipeline asks for {one_line(line.wanted, 200)}",
        )
        for line in lines
        if line.state is RuleState.MISSING
    ]


def overdue(one: RelaxationRequest, reason: str) -> Difference:
    """Return that a rule could not be put back, as it is recorded and told once."""
    said = f"could not be put back: {one_line(reason, 400)}"
    return Difference("", RELAXATION, one_line(f"{one.branch} {one.rule}", 200), said)


def standing_line(one: RelaxationRequest) -> str:
    """Say in one line which rule is relaxed, until when, by whom and why."""
    until = f"until {one.until:%Y-%m-%d %H:%M} UTC, " if one.until else ""
    return one_line(f"{one.rule} on {one.branch} is relaxed {until}by {one.approved_by}: {one.reason}", 400)


def relax_form(
    one: RelaxationRequest,
    quorum: QuorumState,
    page: str,
    *,
    expires_after: timedelta,
    last_refusal: str = "",
) -> str:
    """Render the description of the form that asks whether a rule may be relaxed."""
    facts = [
        ("Repository", escape(page, 200)),
        ("Branch", escape(one.branch)),
        ("Rule", code(one.rule)),
        ("For", human_duration(one.seconds)),
        ("Why", escape(one.reason, 600)),
        ("Asked by", f"{escape(one.requested_by)} (as they say)" if one.requested_by else "not said"),
    ]
    told = [f"**The last answer did not count:** {escape(last_refusal, 300)}."] if last_refusal else []
    missing = ", ".join(escape(name, 40) for name in quorum.missing)
    standing = f"**{quorum.have} of {quorum.need}** said yes." + (
        f" May still answer: {missing}." if missing else ""
    )
    after = (
        "With a yes the rule is relaxed for that time; then it is restored automatically. "
        f"Without enough answers within {human_duration(expires_after.total_seconds())} nothing happens."
    )
    return "\n\n".join([*told, "# May this rule be relaxed?", table(("", ""), facts), after, standing])


def waiting_text(pipeline: str, one: RelaxationRequest, link: str) -> str:
    """Tell that somebody asks to relax a rule."""
    head = f"Asked: relax {one.rule} on {one.branch} of {pipeline} for {human_duration(one.seconds)}"
    return _lines(head, f"by {one.requested_by or 'somebody who did not say'}: {one.reason}", link)


def relaxed_text(pipeline: str, one: RelaxationRequest) -> str:
    """Tell that a rule is relaxed."""
    return _lines(f"Relaxed: {pipeline}", standing_line(one), "It is restored automatically.")


def restored_text(pipeline: str, one: RelaxationRequest, message: str) -> str:
    """Tell that a rule is back."""
    return _lines(f"Back in force: {one.rule} on {one.branch} of {pipeline}", message)


def rules_drift_text(
    pipeline: str, new: Sequence[RecordedDifference], gone: Sequence[RecordedDifference], standing: int
) -> str:
    """Tell that GitHub's rules differ from the pipeline, or do so no more."""
    word = "Rules on GitHub are missing" if new else "Rules on GitHub are in force again"
    lines = [line for one in new for line in (f"- {one.subject} {one.detail}", f"  {mend(one.kind, GITHUB)}")]
    lines += [f"- gone: {one.subject}" for one in gone]
    return _lines(f"{word}: {pipeline}, {standing} standing", *lines)


def _lines(*lines: str) -> str:
    return cut("\n".join(printable(one_line(line, 600)) for line in lines if line))
