"""What migrations do and what a copy proved, as people read it in the plan."""

from __future__ import annotations

from collections.abc import Iterator

from blocks.values.evidence import HealthProof, RehearsalReceipt
from blocks.values.plans import Plan
from blocks.values.schema_changes import MigrationVerdict, Risk
from flows.domain.words.durations import human_duration
from flows.domain.words.text import code, escape, fenced, one_line, table

_MOST_ROWS = 50
_LONGEST_SQL = 4000
_MOST_SQL = 12_000
_SIGNS = {Risk.ADDITIVE: "🟢", Risk.LOCKING: "🟡", Risk.DESTRUCTIVE: "🔴", Risk.OPAQUE: "🔴"}


def evidence_markdown(plan: Plan) -> list[str]:
    """Render the verdicts, the pending SQL and the rehearsal of a plan."""
    return [*_verdicts(plan), *_proof(plan), *_sql(plan.verdicts)]


def evidence_rows(plan: Plan) -> list[tuple[str, str]]:
    """Render the same for the terminal, the SQL left out."""
    rows = [("override", one_line(plan.override, 300))] if plan.override else []
    for verdict in plan.verdicts:
        rows.append((f"verdict {one_line(verdict.revision, 40)}", str(verdict.risk)))
        rows += [
            (f"  {finding.risk}", one_line(f"{finding.statement}  {finding.reason}".strip(), 300))
            for finding in verdict.findings
        ]
    if plan.rehearsal is not None:
        rows += [(f"rehearsal: {name}", one_line(text, 300)) for name, text in _facts(plan.rehearsal)]
    return rows


def _verdicts(plan: Plan) -> list[str]:
    rows = list(_verdict_rows(plan.verdicts))
    if not rows:
        return []
    head = ("Revision", "Verdict", "Statement", "Why", "Safer")
    more = [f"… and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    override = [f"**Override:** {escape(plan.override, 500)}"] if plan.override else []
    return ["### What the migrations do", *override, table(head, rows[:_MOST_ROWS]), *more]


def _verdict_rows(verdicts: tuple[MigrationVerdict, ...]) -> Iterator[tuple[str, ...]]:
    for verdict in verdicts:
        if not verdict.findings:
            yield code(verdict.revision), _sign(verdict.risk), "", "the running release keeps working", ""
        for finding in verdict.findings:
            yield (
                code(verdict.revision),
                _sign(finding.risk),
                code(finding.statement) if finding.statement else "",
                escape(finding.reason, 300),
                escape(finding.safer, 300),
            )


def _sign(risk: Risk) -> str:
    return f"{_SIGNS[risk]} {risk}"


def _sql(verdicts: tuple[MigrationVerdict, ...]) -> list[str]:
    parts: list[str] = []
    room = _MOST_SQL
    for verdict in verdicts:
        text = verdict.sql.strip()[: min(_LONGEST_SQL, room)]
        if text:
            cut = "\n-- …" if len(text) < len(verdict.sql.strip()) else ""
            parts.append(fenced(f"-- {one_line(verdict.revision, 60)}\n{text}{cut}", "sql"))
            room -= len(text)
    return ["### Pending SQL", *parts] if parts else []


def _proof(plan: Plan) -> list[str]:
    if plan.rehearsal is None:
        return []
    rows = [(f"**{name}**", escape(text, 400)) for name, text in _facts(plan.rehearsal)]
    return ["### Proven on a copy of the database", table(("What", "Outcome"), rows)]


def _facts(proof: RehearsalReceipt) -> Iterator[tuple[str, str]]:
    drill = proof.drill
    restored = f"{drill.tables} tables, {drill.rows} rows in {human_duration(drill.restore_seconds)}"
    yield "Dump", f"restores: {restored}" if drill.passed else f"differs: {'; '.join(drill.differences[:3])}"
    if proof.migrated:
        path = f"{proof.revision_before or 'none'} → {proof.revision_after or 'none'}"
        yield "Migration", f"{path} in {human_duration(proof.migrate_seconds)}"
    else:
        yield "Migration", f"failed: {proof.reason}"
    if proof.locks:
        held = [f"{lock.mode} on {lock.table} ({human_duration(lock.seconds)})" for lock in proof.locks[:5]]
        yield "Locks", ", ".join(held)
    if proof.rewritten:
        yield "Tables rewritten", ", ".join(proof.rewritten[:10])
    if proof.new is not None:
        yield "New release on it", _health(proof.new)
    if proof.old is not None:
        yield "Running release on it", _health(proof.old)
    yield "Rollback of the code alone", "works" if proof.proves_return else "is not proven"


def _health(proof: HealthProof) -> str:
    who = ", ".join(proof.services) or "nothing"
    if proof.passed:
        return f"{who} healthy after {human_duration(proof.seconds)}"
    return f"{who}: {'not tried' if proof.passed is None else 'fails'}: {proof.reason}"
