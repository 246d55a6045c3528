"""`sluice plan`: what a promotion or a rollback would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import AsJson, Source, read_settings
from deployments.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from blocks.values.plans import Plan
    from flows.promotion.plan import PlanPreview

ROLLBACK = "rollback"


def plan(
    environment: Annotated[
        str,
        typer.Argument(
            help="Where the release would go; or the word rollback, then the environment to roll back.",
            metavar="ENV",
        ),
    ],
    ref: Annotated[
        str,
        typer.Argument(
            help="A branch, tag, commit or release; empty for the default. After rollback: the environment.",
            metavar="[REF]",
        ),
    ] = "",
    release: Annotated[
        str,
        typer.Argument(
            help="After rollback: the release or commit to go back to; empty for the last good one.",
            metavar="[RELEASE]",
        ),
    ] = "",
    *,
    only_ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="The same as REF, for an environment called rollback.")
    ] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="After rollback: what undoing the last restore would do.")
    ] = False,
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Compute what a promotion would change, and change nothing. The exit code does not depend on the gates.

    `sluice plan rollback ENV [RELEASE]` says how a rollback would work: with the code alone, by down-migrations, by a
    dump (and what that would lose), or not at all.
    """
    from deployments.control_plane.connect import use_prefect

    settings = read_settings()
    use_prefect(settings)
    if environment == ROLLBACK and ref:
        _plan_rollback(ref, release, source or settings.source, undo=undo, as_json=as_json)
        return
    if release or undo:
        raise typer.BadParameter("RELEASE and --undo belong to `sluice plan rollback ENV [RELEASE]`")
    _plan_promotion(environment, ref or only_ref, source or settings.source, as_json=as_json)


def _plan_promotion(environment: str, ref: str, source: str, *, as_json: bool) -> None:
    from flows.promotion.plan import preview

    found = preview(environment, ref, source)
    if as_json:
        print_json(_as_data(found))
    else:
        _print_plan(found)


def _plan_rollback(environment: str, release: str, source: str, *, undo: bool, as_json: bool) -> None:
    from flows.rollback.preview import preview_rollback

    plan = preview_rollback(environment, release, source, undo).plan
    if as_json:
        print_json({"plan": _plan_data(plan)})
    else:
        from flows.domain.promotion.plan_view import plan_text

        print_table(("WHAT", "CHANGE"), plan_text(plan))


def _as_data(found: PlanPreview) -> dict[str, object]:
    return {
        "plan": _plan_data(found.plan),
        "gates": [gate.model_dump(mode="json") for gate in found.gates],
        "built": found.built,
    }


def _plan_data(plan: Plan) -> dict[str, object]:
    return {**plan.model_dump(mode="json"), "hash": plan.hash}


def _print_plan(found: PlanPreview) -> None:
    from flows.domain.gates.view import gates_rows
    from flows.domain.promotion.plan_view import plan_text

    print_table(("WHAT", "CHANGE"), plan_text(found.plan))
    say()
    print_table(("", "GATE", "ANSWER"), gates_rows(found.gates))
    if not found.built:
        say()
        say("the images are not built yet: digests and migrations are known after the build")
