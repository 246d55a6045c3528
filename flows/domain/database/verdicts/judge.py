"""The verdict of each pending migration: what it means for the release that runs now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.schema_changes import UNKNOWN, MigrationVerdict, Risk, SchemaFinding
from flows.domain.database.verdicts.revision_source import SourceFacts, look_into
from tasks.database.engine.protocols import ColumnFacts, UnreadableSqlError
from tasks.database.engines import ENGINES
from tasks.kernel.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from blocks.values.schema_changes import LintFinding
    from flows.domain.database.verdicts.rendered import RenderedMigration
    from tasks.database.engine.protocols import DatabaseEngine

_LONGEST = 400
_MOST_HIDDEN = 5
_BY_HAND = "rehearse it on a copy with the release that runs now; the proof says what this cannot"
_EXAMPLES = (
    "let .env.example have values it can start with (before approval it gets no others, and no network), or "
)


def pending_unknown(why: str) -> MigrationVerdict:
    """Return the verdict of migrations nobody could name: some may be pending, and what they do cannot be told."""
    finding = SchemaFinding(
        risk=Risk.OPAQUE,
        statement="",
        reason=one_line(f"which migrations are pending is not known: {why}", _LONGEST),
        safer="a migration.revisions that works without a database; or database.rehearse, which asks it on a copy",
    )
    return MigrationVerdict(revision=UNKNOWN, risk=Risk.OPAQUE, findings=(finding,))


def judge_migrations(
    migrations: Sequence[RenderedMigration],
    engine: DatabaseEngine | None,
    *,
    facts: ColumnFacts = ColumnFacts(),  # noqa: B008 - it is immutable
    lint: Mapping[str, Sequence[LintFinding]],
    sources: Mapping[str, str] | None,
) -> tuple[MigrationVerdict, ...]:
    """Judge migrations one by one: what one of them makes is not known to the next.

    Args:
        engine: The engine they are written for; of a None nothing can be told.
        facts: Sizes, to say how large a locked table is; and types, before what the revision file gives as
            `existing_type`. Without both a change of type is destructive.
        lint: Revision → the linter's findings; it can only make a verdict worse.
        sources: Revision → the Python source of its file, which is read for what the SQL does not show. A revision
            that is missing is opaque. None for tools whose migrations are SQL.
    """
    return tuple(_judge(one, engine, facts, lint.get(one.revision, ()), sources) for one in migrations)


def _judge(
    migration: RenderedMigration,
    engine: DatabaseEngine | None,
    facts: ColumnFacts,
    lint: Sequence[LintFinding],
    sources: Mapping[str, str] | None,
) -> MigrationVerdict:
    source = _source_facts(migration.revision, engine, sources)
    findings = [*_opaque_as_a_whole(migration, engine), *_hidden(source)]
    if engine is not None:
        known = facts._replace(types={**source.types, **facts.types})
        findings.extend(_of_sql(migration, engine, known, lint))
    risk = max((finding.risk for finding in findings), key=lambda one: one.severity, default=Risk.ADDITIVE)
    return MigrationVerdict(
        revision=migration.revision,
        message=migration.message,
        risk=risk,
        findings=tuple(findings),
        sql=migration.sql,
    )


def _source_facts(
    revision: str, engine: DatabaseEngine | None, sources: Mapping[str, str] | None
) -> SourceFacts:
    if sources is None:
        return SourceFacts()
    if revision not in sources:
        return SourceFacts(hidden=((0, "its file was not found, so it is not known what else it does"),))
    return look_into(sources[revision], engine.judge.existing_types if engine else None)


def _of_sql(
    migration: RenderedMigration, engine: DatabaseEngine, facts: ColumnFacts, lint: Sequence[LintFinding]
) -> list[SchemaFinding]:
    try:
        return list(
            engine.judge.findings(
                migration.sql,
                revision=migration.revision,
                facts=facts,
                in_transaction=migration.in_transaction,
                lint=lint,
            )
        )
    except UnreadableSqlError as error:
        reason = one_line(f"{engine.name}'s parser does not accept its SQL: {error}", _LONGEST)
        return [SchemaFinding(risk=Risk.OPAQUE, statement="", reason=reason, safer=_BY_HAND)]


def _opaque_as_a_whole(
    migration: RenderedMigration, engine: DatabaseEngine | None
) -> Iterator[SchemaFinding]:
    if engine is None:
        known = " and ".join(f"{one.name}'s" for one in ENGINES.values())
        reason = f"the database is another one: only {known} migrations can be judged"
        yield SchemaFinding(risk=Risk.OPAQUE, statement="", reason=reason, safer=_BY_HAND)
    if not migration.complete:
        reason = one_line(migration.why_incomplete, _LONGEST) or "its SQL is not complete"
        yield SchemaFinding(risk=Risk.OPAQUE, statement="", reason=reason, safer=f"{_EXAMPLES}{_BY_HAND}")


def _hidden(facts: SourceFacts) -> Iterator[SchemaFinding]:
    for line, what in facts.hidden[:_MOST_HIDDEN]:
        where = f" (line {line})" if line else ""
        yield SchemaFinding(
            risk=Risk.OPAQUE,
            statement="",
            reason=one_line(f"Python that its SQL does not show{where}: {what}", _LONGEST),
            safer="plain op calls only; decisions and data migrations in a job of their own",
        )
