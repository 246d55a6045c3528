"""The verdict of each pending migration: what it means for the release that runs now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from blocks.values.schema_changes import UNKNOWN, LintFinding, MigrationVerdict, Risk, SchemaFinding
from flows.domain.database.verdicts.data import is_version_keeping
from flows.domain.database.verdicts.linted import lint_remarks
from flows.domain.database.verdicts.migration_context import MigrationContext, Remark
from flows.domain.database.verdicts.parse import Statement, UnreadableSqlError, read_statements
from flows.domain.database.verdicts.rendered import RenderedMigration
from flows.domain.database.verdicts.revision_source import SourceFacts, look_into
from flows.domain.database.verdicts.statements import remarks_on
from flows.domain.database.verdicts.trees import relation_name
from flows.domain.words.text import one_line

_LONGEST = 400
_MOST_HIDDEN = 5
_POSTGRESQL = "postgresql"
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
    *,
    sizes: Mapping[str, int],
    lint: Mapping[str, Sequence[LintFinding]],
    sources: Mapping[str, str] | None,
    dialect: str = _POSTGRESQL,
    types: Mapping[str, str] | None = None,
    together: bool = False,
) -> tuple[MigrationVerdict, ...]:
    """Judge migrations by PostgreSQL's parser, one by one.

    Args:
        migrations: The pending migrations, in order.
        sizes: Table (with its schema, unless that is `public`) → bytes, to say how large a locked table is.
        lint: Revision → the linter's findings; it can only make a verdict worse.
        sources: Revision → the Python source of its file, which is read for what the SQL does not show. A revision
            that is missing is opaque. None for tools whose migrations are SQL.
        dialect: The database's kind as SQLAlchemy calls it; of any but postgresql nothing can be told.
        types: `table.column` → its present type as `format_type` prints it. Without it, what the revision file
            gives as `existing_type` counts; without both, a change of type is destructive.
        together: True to judge what one migration makes as new for those after it. Only right where none of the
            releases that matter knows any of them; by default each migration is judged alone.

    Returns:
        One verdict for each migration, in the same order.
    """
    new: set[str] = set()
    verdicts: list[MigrationVerdict] = []
    for migration in migrations:
        facts = _source_facts(migration.revision, sources)
        ground = MigrationContext(
            sizes=sizes,
            types={**facts.types, **(types or {})},
            in_transaction=migration.in_transaction,
            new=set(new) if together else set(),
        )
        verdicts.append(_judge(migration, facts, ground, lint.get(migration.revision, ()), dialect))
        new = ground.new
    return tuple(verdicts)


def _source_facts(revision: str, sources: Mapping[str, str] | None) -> SourceFacts:
    if sources is None:
        return SourceFacts()
    if revision not in sources:
        return SourceFacts(hidden=((0, "its file was not found, so it is not known what else it does"),))
    return look_into(sources[revision])


def _judge(
    migration: RenderedMigration,
    facts: SourceFacts,
    ground: MigrationContext,
    lint: Sequence[LintFinding],
    dialect: str,
) -> MigrationVerdict:
    findings = [*_opaque_as_a_whole(migration, dialect), *_hidden(facts)]
    if dialect == _POSTGRESQL:
        findings.extend(_of_sql(migration, ground, lint))
    risk = max((finding.risk for finding in findings), key=lambda one: one.severity, default=Risk.ADDITIVE)
    return MigrationVerdict(
        revision=migration.revision,
        message=migration.message,
        risk=risk,
        findings=tuple(findings),
        sql=migration.sql,
    )


def _opaque_as_a_whole(migration: RenderedMigration, dialect: str) -> Iterator[SchemaFinding]:
    if dialect != _POSTGRESQL:
        reason = f"the database is {one_line(dialect, 40) or 'unknown'}: only PostgreSQL's migrations can be judged"
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


def _of_sql(
    migration: RenderedMigration, ground: MigrationContext, lint: Sequence[LintFinding]
) -> Iterator[SchemaFinding]:
    try:
        statements = read_statements(migration.sql)
    except UnreadableSqlError as error:
        reason = f"PostgreSQL's parser does not accept its SQL: {error}"
        yield SchemaFinding(risk=Risk.OPAQUE, statement="", reason=one_line(reason, _LONGEST), safer=_BY_HAND)
        return
    found: list[list[SchemaFinding]] = []
    open_to: list[bool] = []
    versions: set[str] = set()
    for statement in statements:
        about_new = ground.is_new(relation_name(getattr(statement.node, "relation", None)))
        found.append(list(_of_statement(statement, migration.revision, ground, versions)))
        open_to.append(not found[-1] and not about_new)
    for index, finding in lint_remarks(lint, statements, open_to):
        found[index].append(finding)
    for here in found:
        yield from here


def _of_statement(
    statement: Statement, revision: str, ground: MigrationContext, versions: set[str]
) -> Iterator[SchemaFinding]:
    if is_version_keeping(statement.node, revision, versions):
        return
    for remark in remarks_on(statement.node, ground):
        yield _finding(remark, statement.text)


def _finding(remark: Remark, statement: str) -> SchemaFinding:
    return SchemaFinding(
        risk=remark.risk,
        statement=statement,
        reason=one_line(remark.reason, _LONGEST),
        safer=one_line(remark.safer, _LONGEST),
        table=one_line(remark.table, 120),
    )
