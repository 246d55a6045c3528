"""`sluice doctor`: is everything there that a promotion will need?"""

from __future__ import annotations

import typer

from deployments.cli.options import AsJson, OnlyEnvironment, Source, read_settings
from deployments.cli.output import counted, print_json, print_table, say


def doctor(
    environment: OnlyEnvironment = None,
    *,
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Check every host, login, secret, version and permission a promotion will need; exit code 1 if any fails."""
    from deployments.doctor.examine import examine

    settings = read_settings()
    found = examine(settings, source or settings.source, environment)
    failed = [one for one in found if one.level == "fail"]
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        print_table(("", "WHERE", "FOUND", "TO DO"), [(o.level, o.where, o.what, o.mend) for o in found])
        say()
        say(f"{counted(len(failed), 'failure')} in {counted(len(found), 'check')}")
    if failed:
        raise typer.Exit(1)
