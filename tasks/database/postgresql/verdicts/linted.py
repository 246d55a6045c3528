"""What the linter's rules mean: a second opinion that may turn additive into locking, never lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blocks.values.schema_changes import LintFinding, Risk, SchemaFinding
from tasks.database.postgresql.verdicts.parse import Statement
from tasks.kernel.text import one_line

# Squawk's rules about locks and rewrites. Left out are its rules of style, those about timeouts (Sluice sets both for
# every migration), those about what breaks code (the parse tree says it with the migration's own tables in mind), and
# `changing-column-type`, which does not know the type the column has.
LOCKING_RULES = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-serial-primary-key-field",
        "ban-concurrent-index-creation-in-transaction",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-partition-detach",
        "require-concurrent-reindex",
    }
)


def lint_remarks(
    findings: Sequence[LintFinding], statements: Sequence[Statement], open_to: Sequence[bool]
) -> Iterator[tuple[int, SchemaFinding]]:
    """Return what the linter adds to a verdict.

    Args:
        open_to: For each statement, whether the linter is heard: not where the parse tree has said something of it,
            nor where it is about what the migration made itself, which the linter takes for known tables.

    Yields:
        The statement's number and the finding, for locks that nobody has named yet.
    """
    for finding in findings:
        index = _statement_at(finding.line, statements)
        if finding.rule in LOCKING_RULES and index is not None and open_to[index]:
            yield (
                index,
                SchemaFinding(
                    risk=Risk.LOCKING,
                    statement=statements[index].text,
                    reason=one_line(f"{finding.message} (squawk: {finding.rule})", 300),
                    safer=one_line(finding.safer, 300),
                ),
            )


def _statement_at(line: int, statements: Sequence[Statement]) -> int | None:
    return next(
        (number for number, one in enumerate(statements) if one.first_line <= line <= one.last_line), None
    )
