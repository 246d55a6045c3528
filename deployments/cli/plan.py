"""`sluice plan`: what a promotion would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import AsJson, Source, read_settings
from deployments.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from flows.planning import PlanPreview


def plan(
    environment: Annotated[str, typer.Argument(help="Where the release would go.", metavar="ENV")],
    ref: Annotated[
        str, typer.Argument(help="A branch, tag, commit or release; empty for the default.", metavar="[REF]")
    ] = "",
    *,
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Compute what a promotion would change, and change nothing. The exit code does not depend on the gates."""
    from deployments.connect import use_prefect

    settings = read_settings()
    use_prefect(settings)
    from flows.planning import preview

    found = preview(environment, ref, source or settings.source)
    if as_json:
        print_json(_as_data(found))
    else:
        _print_plan(found)


def _as_data(found: PlanPreview) -> dict[str, object]:
    return {
        "plan": {**found.plan.model_dump(mode="json"), "hash": found.plan.hash},
        "gates": [gate.model_dump(mode="json") for gate in found.gates],
        "built": found.built,
    }


def _print_plan(found: PlanPreview) -> None:
    from flows.domain.plan_view import plan_text

    print_table(("WHAT", "CHANGE"), plan_text(found.plan))
    say()
    rows = [("ok" if gate.passed else "fail", gate.gate, gate.reason) for gate in found.gates]
    print_table(("", "GATE", "ANSWER"), rows)
    if not found.built:
        say()
        say("the images are not built yet: digests and migrations are known after the build")
