"""The linter squawk, which knows PostgreSQL's risky schema changes."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.values.schema_changes import LintFinding
from tasks.database.engine.protocols import SqlLinter
from tasks.kernel.argv import Argv

# Squawk's newest defaults would judge by a newer server; the rules about locks are the same since 12.
_POSTGRESQL_VERSION = "17.0"
_CONFIG = "squawk.toml"
_LONGEST = 300


def _argv() -> Argv:
    program = str(Path(sysconfig.get_path("scripts")) / "squawk")
    options = ("--config", _CONFIG, "--reporter", "json", "--pg-version", _POSTGRESQL_VERSION)
    return (program, *options, "*.sql")


def _read(stdout: str) -> list[tuple[str, LintFinding]]:
    """Read the findings; the exit status says nothing, it is 1 with findings and with failures."""
    if not stdout.lstrip().startswith("["):
        raise ValueError("it printed nothing")
    return [(str(one["file"]), _finding(one)) for one in json.loads(stdout)]


def _finding(one: Mapping[str, Any]) -> LintFinding:
    return LintFinding(
        rule=str(one["rule_name"]),
        message=" ".join(str(one["message"]).split())[:_LONGEST],
        safer=" ".join(str(one["help"] or "").split())[:_LONGEST],
        line=int(one["line"]),
    )


# An empty configuration of our own: squawk would look for one in all folders above.
SQUAWK = SqlLinter(name="squawk", argv=_argv, files={_CONFIG: ""}, read=_read)
