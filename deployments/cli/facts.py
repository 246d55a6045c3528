"""Commands over the ledger: what runs where, what happened, and lifting a hold."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.options import AsJson, Environment, OnlyEnvironment, OnlyPipeline, read_settings
from deployments.cli.output import ago, answer, counted, moment, print_json, print_section, print_table, say
from flows.domain.words.durations import human_duration
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from deployments.reports.rules_view import RulesStatus
    from deployments.reports.views import EnvironmentStatus, Recovery, Waiting
    from tasks.ledger.records import PromotionRecord
    from tasks.ledger.store import Ledger

_SHORT_COMMIT = 7
_SHORT_HASH = 12


def status(*, pipeline: OnlyPipeline = None, as_json: AsJson = False) -> None:
    """Show which release runs where, since when, by whom; what waits for approval; what is on hold."""
    from deployments.control_plane.connect import api_at, find_api_url, open_ledger, ui_url
    from deployments.reports.rules_view import rules_status
    from deployments.reports.views import environment_status

    settings = read_settings()
    url = find_api_url(settings)
    with open_ledger(settings) as ledger:
        found = [
            environment_status(
                ledger,
                name,
                environment,
                ui_url=ui_url(settings),
                until=api_at(settings, url, tries=1).waits_until if url else lambda _run: None,
            )
            for name, environment in ledger.promotions.environments(pipeline)
        ]
        rules = rules_status(ledger, pipeline)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        _print_status(found, datetime.now(UTC))
        _print_rules(rules)


def _print_status(found: list[EnvironmentStatus], now: datetime) -> None:
    if not found:
        say(
            "nothing has been promoted yet: start a run of promote/…, or `prefect deployment run promote/staging`"
        )
        return
    head: tuple[str, ...]
    head = ("PIPELINE", "ENVIRONMENT", "RELEASE", "COMMIT", "SINCE", "BY", "APPROVED BY", "STATE")
    print_table(head, [_status_row(one, now) for one in found])
    waiting = [(_place(one), *_waiting_row(item)) for one in found for item in one.waiting]
    head = ("PLACE", "PROMOTION", "RELEASE", "PLAN", "APPROVALS", "BY ANY OF", "UNTIL", "APPROVE AT")
    print_section("Waiting for approval", head, waiting)
    held = [
        (_place(one), hold.release, moment(hold.since), hold.by, hold.reason)
        for one in found
        for hold in one.holds
    ]
    print_section("On hold (see `sluice unhold`)", ("PLACE", "RELEASE", "SINCE", "BY", "REASON"), held)
    recovery = [(_place(one), *_recovery(one.recovery, now)) for one in found if one.recovery is not None]
    head = ("PLACE", "RESTORES IN", "PROVEN", "LAST DRILL FAILED")
    print_section("Results of the last drills", head, recovery)
    drift = [
        (_place(one), seen.host or "-", seen.kind, seen.subject, seen.detail, moment(seen.since))
        for one in found
        for seen in one.drift
    ]
    head = ("PLACE", "HOST", "KIND", "ABOUT", "WHAT", "SINCE")
    print_section("Differs from the ledger (`sluice doctor` says what to do)", head, drift)


def _place(one: EnvironmentStatus) -> str:
    return f"{one.pipeline} {one.environment}"


def _recovery(drilled: Recovery, now: datetime) -> tuple[str, ...]:
    seconds, at = drilled.restore_seconds, drilled.drilled_at
    return (
        "-" if seconds is None else human_duration(seconds),
        "-" if at is None else f"{moment(at)} ({ago(at, now)})",
        drilled.failing or "-",
    )


def _print_rules(found: list[RulesStatus]) -> None:
    missing = [
        (one.pipeline, seen.kind, seen.subject, seen.detail, moment(seen.since))
        for one in found
        for seen in one.drift
    ]
    head = ("PIPELINE", "KIND", "ABOUT", "WHAT", "SINCE")
    print_section("Rules on GitHub that are missing (see `sluice protect`)", head, missing)
    relaxed = [(one.pipeline, line) for one in found for line in one.relaxed]
    print_section("Rules on GitHub that are relaxed for a limited time", ("PIPELINE", "WHAT"), relaxed)


def _status_row(one: EnvironmentStatus, now: datetime) -> tuple[str, ...]:
    runs = one.running
    if runs is None:
        return (one.pipeline, one.environment, "nothing", "-", "-", "-", "-", _state(one))
    since = f"{moment(runs.since)} ({ago(runs.since, now)})"
    commit = f"{runs.commit[:_SHORT_COMMIT]} {runs.subject}".strip() or "-"
    by = runs.requested_by or "-"
    names = ", ".join(runs.approvers) or "-"
    return (one.pipeline, one.environment, runs.release, commit, since, by, names, _state(one))


def _state(one: EnvironmentStatus) -> str:
    """Say in a few words what is going on, the most urgent first."""
    words: list[str] = []
    if one.last is not None and one.last.status not in {"succeeded", "unchanged"} and one.last.ended_at:
        words.append(f"last promotion {one.last.promotion} {one.last.status}")
    if one.active is not None:
        words.append(f"promotion {one.active.promotion} {one.active.status}")
    words += _watch_words(one)
    words += [f"promotion {item.promotion} {item.status}" for item in one.preparing]
    words += [f"promotion {item.promotion} waits {item.have}/{item.need}" for item in one.waiting]
    if one.holds:
        words.append(counted(len(one.holds), "hold"))
    if one.drift:
        words.append(counted(len(one.drift), "difference"))
    return ", ".join(words) or "-"


def _watch_words(one: EnvironmentStatus) -> list[str]:
    """Say how the release that runs is looked after; that all is well needs no word."""
    watch = one.running.watch if one.running is not None else None
    if watch is None or watch.verdict in {"green", "over"}:
        return []
    return [f"watch is {watch.verdict}" if watch.verdict else f"watched until {moment(watch.until)}"]


def _waiting_row(item: Waiting) -> tuple[str, ...]:
    given = f" ({', '.join(item.approved_by)})" if item.approved_by else ""
    return (
        str(item.promotion),
        item.release or "-",
        item.plan_hash[:_SHORT_HASH],
        f"{item.have} of {item.need}{given}",
        ", ".join(item.may_approve) or "-",
        moment(item.until),
        item.url or "-",
    )


def history(
    environment: OnlyEnvironment = None,
    *,
    pipeline: OnlyPipeline = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many promotions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the promotions, the newest first."""
    from deployments.control_plane.connect import open_ledger

    with open_ledger(read_settings()) as ledger:
        rows = [_history_row(ledger, row) for row in ledger.promotions.history(pipeline, environment, limit)]
    if as_json:
        print_json(rows)
    elif not rows:
        where = f" to {environment}" if environment else ""
        say(f"nothing has been promoted{where} yet")
    else:
        _print_history(rows)


_ANSWER = {"created_at", "approver", "decision", "counted", "refusal", "reason", "plan_hash"}


def _history_row(ledger: Ledger, row: PromotionRecord) -> dict[str, Any]:
    from deployments.reports.views import approvers_of

    release = ledger.releases.get(row.release_id) if row.release_id else None
    ended, answers = row.ended_at, ledger.approvals.of(row.id)
    return {
        "id": row.id,
        "created_at": row.created_at.isoformat(),
        "ended_at": ended.isoformat() if ended else None,
        "pipeline": row.pipeline,
        "environment": row.environment,
        "kind": row.kind.value,
        "ref": row.ref,
        "release": row.release_id,
        "commit": release.commit.sha if release else None,
        "previous_release": row.previous_release_id,
        "status": row.status.value,
        "duration_seconds": (ended - row.started_at).total_seconds() if ended and row.started_at else None,
        "requested_by": row.requested_by,
        "approvers": list(approvers_of(answers, row.plan_hash)),
        "answers": [one.model_dump(mode="json", include=_ANSWER) for one in answers],
        "cause": row.cause,
        "message": row.message,
        "flow_run": row.flow_run_id,
    }


def _print_history(rows: list[dict[str, Any]]) -> None:
    head = (
        "ID", "WHEN", "KIND", "PIPELINE", "ENVIRONMENT", "REF", "RELEASE", "STATUS", "TOOK", "BY", "APPROVED BY",
        "MESSAGE",
    )  # fmt: skip
    print_table(head, [_history_cells(row) for row in rows])


def _history_cells(row: dict[str, Any]) -> tuple[str, ...]:
    keys = ("kind", "pipeline", "environment", "ref", "release", "status")
    seconds = row["duration_seconds"]
    return (
        str(row["id"]),
        moment(datetime.fromisoformat(row["created_at"])),
        *(row[key] or "-" for key in keys),
        "-" if seconds is None else human_duration(seconds),
        row["requested_by"] or "-",
        ", ".join(row["approvers"]) or "-",
        row["message"] or "-",
    )


def unhold(
    environment: Environment,
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why the release may be promoted again; recorded in the ledger.")
    ],
    by: Annotated[str, typer.Option("--by", help="Who removes the hold. [default: this login]")] = "",
    pipeline: OnlyPipeline = None,
    as_json: AsJson = False,
) -> None:
    """Remove the holds of an environment, so that a release that was rolled back may be promoted again."""
    from deployments.control_plane.connect import open_ledger

    if not reason.strip():
        raise typer.BadParameter("say why, it is recorded in the ledger", param_hint="--reason")
    who = by.strip() or getpass.getuser()
    with open_ledger(read_settings()) as ledger:
        name = _pipeline_of(ledger, environment, pipeline)
        held = ledger.holds.active(name, environment)
        if held:
            ledger.holds.release(name, environment, reason.strip(), who, datetime.now(UTC))
    releases = [hold.release_id for hold in held]
    what = f"{', '.join(releases)} may be promoted again" if releases else "nothing is on hold"
    lifted = {"pipeline": name, "environment": environment, "released": releases, "by": who}
    answer(f"{name} {environment}: {what}", {**lifted, "reason": reason.strip()}, as_json=as_json)


def _pipeline_of(ledger: Ledger, environment: str, wanted: str | None) -> str:
    known = [name for name, place in ledger.promotions.environments(wanted) if place == environment]
    held = [name for name in known if ledger.holds.active(name, environment)]
    candidates = held or known
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        of = f" of {wanted}" if wanted else ""
        raise TerminalError(f"nothing has been promoted to {environment}{of}", "see `sluice status`")
    raise TerminalError(
        f"{environment} is an environment of {', '.join(candidates)}", "name one of them with --pipeline"
    )
