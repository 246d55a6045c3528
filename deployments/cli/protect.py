"""`sluice protect`: how the rules on GitHub differ from the pipeline, and writing what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import AsJson, Source, read_settings
from deployments.cli.output import print_json, print_table, say
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from flows.rules.flow import Protected


def protect(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write what is missing. What is stricter on GitHub stays.")
    ] = False,
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Show how the rules on GitHub differ from the section `protect` of the pipeline, and change nothing.

    The exit code is 1 where a rule is missing that was not relaxed.
    """
    from deployments.control_plane.connect import use_prefect
    from flows.rules.flow import protected

    settings = read_settings()
    use_prefect(settings)
    found = protected(source or settings.source, apply)
    if as_json:
        print_json(_as_data(found))
    else:
        _print(found)
    if found.problem:
        raise TerminalError(found.problem)
    if found.missing:
        raise typer.Exit(1)


def _as_data(found: Protected) -> dict[str, object]:
    return {
        "pipeline": found.pipeline,
        "repository": found.found.page,
        "rules": [line.model_dump(mode="json") for line in found.lines],
        "relaxed": [one.model_dump(mode="json", exclude={"protection", "asked"}) for one in found.standing],
        "changed": list(found.changed),
        "failed": list(found.failed),
    }


def _print(found: Protected) -> None:
    from flows.domain.rules.view import rule_rows, standing_line

    if found.lines:
        head = ("STATE", "WHERE", "RULE", "IN FORCE", "PIPELINE")
        print_table(head, rule_rows(found.lines))
        say()
    for one in found.standing:
        say(standing_line(one))
    for line in found.failed:
        say(f"not changed: {line}")
    say(found.summary)
