"""The gate for migrations: whether what they do to the schema may come together with the switch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from blocks.pipeline import DatabaseRules
from blocks.values.base import Value
from blocks.values.evidence import RehearsalReceipt
from blocks.values.plans import GateAnswer
from blocks.values.schema_changes import MigrationVerdict, Risk, SchemaFinding, worst
from flows.domain.words.durations import human_duration
from flows.domain.words.text import one_line

_MOST_NAMED = 3


class SchemaGateFacts(Value):
    """What the gate looks at.

    Attributes:
        rehearsal: How they went on a copy, None where none was made.
        runs_now: True when a release runs that they could break.
        running_since: Since when the running release has run alone, None where that is not known.
        override: Why they may come in nevertheless; empty without.
    """

    environment: str
    rules: DatabaseRules
    verdicts: tuple[MigrationVerdict, ...]
    rehearsal: RehearsalReceipt | None = None
    runs_now: bool = True
    running_since: datetime | None = None
    override: str = ""
    approvers: int = 0
    now: datetime


def schema_may_change(facts: SchemaGateFacts) -> GateAnswer:
    """Say whether the pending migrations may come together with the switch."""
    refuted = _refuted(facts.rehearsal)
    if refuted:
        return _no(refuted)
    if not worst(facts.verdicts).breaks and not _old_fails(facts):
        return _yes(_mild(facts.verdicts))
    if not facts.runs_now:
        return _yes("nothing runs yet that the migrations could break")
    if facts.rules.destructive == "allow":
        return _yes(f"{_breaking(facts)}; {facts.environment} allows it")
    if facts.override:
        return _overridden(facts)
    return _retired(facts)


def _refuted(rehearsal: RehearsalReceipt | None) -> str:
    """Say what a copy showed that no override helps against: the release itself would fail."""
    if rehearsal is None:
        return ""
    if not rehearsal.migrated:
        return f"the migration failed on a copy of the database: {one_line(rehearsal.reason, 300)}"
    if rehearsal.new is not None and rehearsal.new.passed is False:
        reason = one_line(rehearsal.new.reason, 300)
        return f"the new release does not run on a migrated copy of the database: {reason}"
    return ""


def _overridden(facts: SchemaGateFacts) -> GateAnswer:
    needed = facts.rules.override_required
    if facts.approvers < needed:
        return _no(
            f"an override needs {needed} approvals and {facts.environment} has "
            f"{facts.approvers or 'no'} approvers: name them under approvals"
        )
    return _yes(f"{_breaking(facts)}; overridden ({one_line(facts.override, 200)}), {needed} must agree")


def _retired(facts: SchemaGateFacts) -> GateAnswer:
    """Let in what removes only what no release needs any more: the running one, proven, has run alone for long."""
    wanted = timedelta(seconds=facts.rules.retired_for)
    alone = facts.now - facts.running_since if facts.running_since is not None else timedelta(0)
    proven = facts.rehearsal is not None and facts.rehearsal.proves_return
    if proven and alone >= wanted:
        return _yes(
            f"{_breaking(facts)}; the running release works on a migrated copy and has run alone for "
            f"{human_duration(alone.total_seconds())}, so nothing needs the old schema"
        )
    return _no(f"{_breaking(facts)}. {_steps(facts.verdicts)} {_what_is_missing(facts, wanted, proven)}")


def _what_is_missing(facts: SchemaGateFacts, wanted: timedelta, proven: bool) -> str:  # noqa: FBT001
    span = human_duration(wanted.total_seconds())
    if not facts.rules.rehearse:
        way = f"with database.rehearse, once the running release has run alone for {span}"
    elif not proven:
        way = "once the running release works on a migrated copy, which it does not"
        if facts.rehearsal is not None and facts.rehearsal.old is not None:
            way += f" ({one_line(facts.rehearsal.old.reason, 200) or 'it could not be tried'})"
    else:
        way = f"once the running release has run alone for {span}"
    return f"It comes in {way}; or {_by_decision(facts)}"


def _by_decision(facts: SchemaGateFacts) -> str:
    """Say how people let it in: in environments where too few may approve, by the pipeline alone."""
    needed = facts.rules.override_required
    if facts.approvers < needed:
        return f"with `database: {{destructive: allow}}` for {facts.environment} in pipeline.yaml"
    return (
        "with an override: start the promotion with `override` set to the reason, "
        f"and {needed} approvers must agree"
    )


def _steps(verdicts: Iterable[MigrationVerdict]) -> str:
    """Spell out how to do it in steps: what each statement should become, then the order of releases."""
    safer = list(dict.fromkeys(finding.safer for finding in _findings(verdicts) if finding.safer))
    named = "; ".join(one_line(text, 300) for text in safer[:_MOST_NAMED])
    order = (
        "Expand and contract: (1) a release that adds the new schema beside the old one and works with both, "
        "(2) move the data, (3) when no earlier release is needed any more, a release that removes the old schema."
    )
    return f"{named}. {order}" if named else order


def _old_fails(facts: SchemaGateFacts) -> bool:
    """What a copy shows outweighs what the SQL looks like."""
    return (
        facts.rehearsal is not None
        and facts.rehearsal.old is not None
        and facts.rehearsal.old.passed is False
    )


def _breaking(facts: SchemaGateFacts) -> str:
    named = [
        f"{one_line(verdict.revision, 40)} is {verdict.risk}: {_named(verdict)}"
        for verdict in facts.verdicts
        if verdict.risk.breaks
    ]
    if not named and facts.rehearsal is not None and facts.rehearsal.old is not None:
        return (
            "the running release does not work on a migrated copy of the database "
            f"({one_line(facts.rehearsal.old.reason, 300)})"
        )
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return "; ".join(named[:_MOST_NAMED]) + more


def _named(verdict: MigrationVerdict) -> str:
    found = [finding for finding in verdict.findings if finding.risk.breaks]
    first = (
        found[0] if found else SchemaFinding(risk=verdict.risk, statement="", reason="it cannot be judged")
    )
    statement = f"`{one_line(first.statement, 120)}` " if first.statement else ""
    rest = f" (and {len(found) - 1} more statements)" if len(found) > 1 else ""
    return f"{statement}{one_line(first.reason, 200)}{rest}"


def _findings(verdicts: Iterable[MigrationVerdict]) -> list[SchemaFinding]:
    return [finding for verdict in verdicts for finding in verdict.findings if finding.risk.breaks]


def _mild(verdicts: tuple[MigrationVerdict, ...]) -> str:
    if not verdicts:
        return "no migration is judged"
    locking = [one_line(verdict.revision, 40) for verdict in verdicts if verdict.risk is Risk.LOCKING]
    if locking:
        return (
            f"the running release keeps working; {', '.join(locking[:_MOST_NAMED])} blocks a table meanwhile"
        )
    return "the running release keeps working on the migrated schema"


def _yes(reason: str) -> GateAnswer:
    return GateAnswer(gate="schema", passed=True, reason=reason)


def _no(reason: str) -> GateAnswer:
    return GateAnswer(gate="schema", passed=False, reason=reason)
