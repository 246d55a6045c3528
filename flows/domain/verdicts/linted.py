"""What the linter's rules mean: a second opinion that may turn additive into locking, never lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blocks.values.schema_changes import Finding, LintFinding, Risk
from flows.domain.text import one_line
from flows.domain.verdicts.parsing import Statement

# Squawk's rules about locks and rewrites. Left out are its rules of style, those about timeouts (Sluice sets both for
# every migration), those about what breaks code (the parse tree says it with the migration's own tables in mind), and
# `changing-column-type`, which does not know the type the column has.
LOCKING_RULES = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-serial-primary-key-field",
        "ban-concurrent-index-creation-in-transaction",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-partition-detach",
        "require-concurrent-refresh-matview",
        "require-concurrent-reindex",
    }
)


def lint_remarks(
    findings: Sequence[LintFinding], statements: Sequence[Statement], judged: Sequence[Finding | None]
) -> Iterator[tuple[int, Finding]]:
    """Return what the linter adds to a verdict.

    Args:
        findings: The linter's findings in one migration.
        statements: The migration's statements.
        judged: For each statement its worst finding, None where it has none.

    Yields:
        The statement's number and the finding, for locks that nobody has named yet.
    """
    for finding in findings:
        if finding.rule not in LOCKING_RULES:
            continue
        index = next(
            (
                number
                for number, one in enumerate(statements)
                if one.first_line <= finding.line <= one.last_line
            ),
            None,
        )
        if index is None:
            continue
        known = judged[index]
        if known is not None and known.risk is not Risk.ADDITIVE:
            continue
        yield (
            index,
            Finding(
                risk=Risk.LOCKING,
                statement=statements[index].text,
                reason=one_line(f"{finding.message} (squawk: {finding.rule})", 300),
                safer=one_line(finding.safer, 300),
            ),
        )
