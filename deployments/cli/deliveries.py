"""`sluice deliveries`: what GitHub's webhooks brought, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.options import AsJson, read_settings
from deployments.cli.output import moment, print_json, print_table, say

if TYPE_CHECKING:
    from tasks.ledger.delivery_records import DeliveryRecord, StartRecord

_SHORT_COMMIT = 7


def deliveries(
    *,
    replay: Annotated[
        str,
        typer.Option("--replay", metavar="ID", help="Decide this delivery again; it starts new runs."),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the deliveries of GitHub's webhooks, the newest first, and the runs they started; or replay one."""
    from deployments.control_plane.connect import open_ledger

    with open_ledger(read_settings()) as ledger:
        rows = (
            [ledger.deliveries.replay(replay, datetime.now(UTC))]
            if replay
            else ledger.deliveries.newest(limit)
        )
        starts = ledger.starts.of([row.id for row in rows])
    if as_json:
        print_json([_as_data(row, starts) for row in rows])
    elif replay:
        say(f"delivery {replay} is decided again as soon as the receiver sees it; see `sluice deliveries`")
    elif rows:
        _print(rows, starts)
    else:
        say("GitHub delivered nothing yet; docs/webhooks.md says how to set it up")


def _as_data(row: DeliveryRecord, starts: list[StartRecord]) -> dict[str, object]:
    own = [one for one in starts if one.delivery_id == row.id]
    return {
        **row.model_dump(mode="json", exclude={"id", "facts", "digest"}),
        "starts": [
            {
                "deployment": one.start.deployment,
                **one.model_dump(
                    mode="json", include={"ref", "sha", "status", "reason", "flow_run_id", "key"}
                ),
            }
            for one in own
        ],
    }


def _print(rows: list[DeliveryRecord], starts: list[StartRecord]) -> None:
    head = ("RECEIVED", "DELIVERY", "EVENT", "ABOUT", "COMMIT", "BY", "STATUS", "STARTS", "WHY")
    print_table(
        head,
        [
            (
                moment(row.received_at),
                row.delivery,
                f"{row.event} {row.action}".strip(),
                _about(row),
                row.sha[:_SHORT_COMMIT] or "-",
                row.sender or "-",
                row.status.value,
                ", ".join(_start(one) for one in starts if one.delivery_id == row.id) or "-",
                row.reason or "-",
            )
            for row in rows
        ],
    )


def _about(row: DeliveryRecord) -> str:
    ref = row.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return ref or (f"#{row.number}" if row.number is not None else row.repository)


def _start(one: StartRecord) -> str:
    return f"{one.start.deployment} {one.status.value}"
