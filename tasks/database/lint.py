"""A second opinion on migrations: the linter squawk, on the control machine."""

from __future__ import annotations

import json
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.values.schema_changes import LintFinding
from tasks.kernel.errors import SluiceError
from tasks.kernel.protocols import Call, Limits
from tasks.steps.run import Run
from tasks.steps.step import fact, log

SECONDS = 60.0
# Squawk's newest defaults would judge by a newer server; the rules about locks are the same since 12.
POSTGRESQL_VERSION = "17.0"
_CONFIG = "squawk.toml"
_LONGEST = 300


@fact("lint migrations")
def lint_migrations(run: Run, *, migrations: Mapping[str, str]) -> Mapping[str, tuple[LintFinding, ...]]:
    """Ask the linter about all migrations in one call.

    Where the linter is not there or fails, nothing is lost but its opinion: a warning is logged, and the verdicts
    stand on PostgreSQL's parser alone. Running it twice is safe: it reads.

    Args:
        migrations: Revision → SQL.

    Returns:
        Revision → findings, for the revisions that have any.
    """
    if not migrations:
        return {}
    try:
        return _lint(run, migrations)
    except (SluiceError, ValueError, KeyError, TypeError, OSError) as error:
        log().warning("squawk gave no opinion on the migrations: %s", error)
        return {}


def squawk() -> str:
    """Return the path of the linter that is installed with Sluice."""
    return str(Path(sysconfig.get_path("scripts")) / "squawk")


def _lint(run: Run, migrations: Mapping[str, str]) -> dict[str, tuple[LintFinding, ...]]:
    with tempfile.TemporaryDirectory(prefix="sluice-lint-") as folder:
        names = {f"{number:06}.sql": revision for number, revision in enumerate(migrations)}
        for name, revision in names.items():
            (Path(folder) / name).write_text(migrations[revision], "utf-8", errors="replace")
        # An empty configuration of our own: squawk would look for one in all folders above.
        (Path(folder) / _CONFIG).touch()
        argv = (
            squawk(),
            "--config",
            _CONFIG,
            "--reporter",
            "json",
            "--pg-version",
            POSTGRESQL_VERSION,
            "*.sql",
        )
        result = run.local.run(Call(argv=argv, cwd=folder, limits=Limits(SECONDS, SECONDS)))
    found: dict[str, tuple[LintFinding, ...]] = {}
    for one in _answers(result.stdout, result.reason()):
        revision = names[one["file"]]
        found[revision] = (*found.get(revision, ()), _finding(one))
    return found


def _answers(stdout: str, reason: str) -> list[dict[str, Any]]:
    """Read the findings; the exit status says nothing, it is 1 with findings and with failures."""
    if not stdout.lstrip().startswith("["):
        raise ValueError(reason or "it printed nothing")
    answers: list[dict[str, Any]] = json.loads(stdout)
    return answers


def _finding(one: Mapping[str, Any]) -> LintFinding:
    return LintFinding(
        rule=str(one["rule_name"]),
        message=" ".join(str(one["message"]).split())[:_LONGEST],
        safer=" ".join(str(one["help"] or "").split())[:_LONGEST],
        line=int(one["line"]),
    )
