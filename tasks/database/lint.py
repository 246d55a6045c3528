"""A second opinion on migrations: an engine's linter, on the control machine."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.values.schema_changes import LintFinding
from tasks.kernel.errors import SluiceError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.run import Run
from tasks.steps.step import fact, log

if TYPE_CHECKING:
    from tasks.database.engine.protocols import SqlLinter

SECONDS = 60.0


@fact("lint migrations")
def lint_migrations(
    run: Run, *, linter: SqlLinter | None, migrations: Mapping[str, str]
) -> Mapping[str, tuple[LintFinding, ...]]:
    """Ask the linter about all migrations in one call.

    Where the linter is not there or fails, nothing is lost but its opinion: a warning is logged, and the verdicts
    stand on the engine's parser alone. Running it twice is safe: it reads.

    Args:
        migrations: Revision → SQL.

    Returns:
        Revision → findings, for the revisions that have any.
    """
    if linter is None or not migrations:
        return {}
    try:
        return _lint(run, linter, migrations)
    except (SluiceError, ValueError, KeyError, TypeError, OSError) as error:
        log().warning("%s gave no opinion on the migrations: %s", linter.name, error)
        return {}


def _lint(run: Run, linter: SqlLinter, migrations: Mapping[str, str]) -> dict[str, tuple[LintFinding, ...]]:
    names = {f"{number:06}.sql": revision for number, revision in enumerate(migrations)}
    texts = {**{name: migrations[revision] for name, revision in names.items()}, **linter.files}
    with tempfile.TemporaryDirectory(prefix="sluice-lint-") as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, "utf-8", errors="replace")
        result = run.local.run(Call(argv=linter.argv(), cwd=folder, limits=Limits(SECONDS, SECONDS)))
    found: defaultdict[str, tuple[LintFinding, ...]] = defaultdict(tuple)
    try:
        answers = linter.read(result.stdout)
    except ValueError as error:
        raise ValueError(result.reason() or str(error)) from error
    for name, finding in answers:
        found[names[name]] += (finding,)
    return dict(found)
