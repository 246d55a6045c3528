"""`sluice status` on a real ledger."""

from __future__ import annotations

from datetime import timedelta

from blocks.values.drift import Difference
from blocks.values.evidence import DrillReceipt
from blocks.values.lifecycle import Kind, Status
from blocks.values.watch import WatchEnd, WatchStart
from flows.domain.watch.watch import START, WATCH
from tasks.ledger.store import Ledger
from tests.deployments.cli.rows import T0, answered, moved, opened, release, succeeded
from tests.deployments.conftest import Sluice


def test_an_empty_ledger_says_what_to_do(sluice: Sluice) -> None:
    printed = sluice("status")
    assert printed.code == 0
    assert "nothing has been promoted yet" in printed.out
    assert sluice("status", "--json").json == []


def test_it_says_what_runs_since_when_and_by_whom(sluice: Sluice, ledger: Ledger) -> None:
    row = succeeded(ledger, release(1), "staging")
    answered(ledger, row, "grace")
    answered(ledger, row, "eve", counted=False)
    head, line = sluice("status").lines[:2]
    assert head.split() == [
        "PIPELINE",
        "ENVIRONMENT",
        "RELEASE",
        "COMMIT",
        "SINCE",
        "BY",
        "APPROVED",
        "BY",
        "STATE",
    ]
    for part in (
        "shop",
        "staging",
        release(1).id,
        "0000000 Change number 1",
        "2026-11-20 09:03 UTC",
        "ada",
        "grace",
    ):
        assert part in line
    assert "eve" not in line


def test_json_holds_the_digests(sluice: Sluice, ledger: Ledger) -> None:
    row = succeeded(ledger, release(7), "staging")
    (one,) = sluice("status", "--json").json
    runs = one["running"]
    assert runs["commit"] == release(7).commit.sha
    assert runs["images"][0]["digest"] == release(7).images[0].digest
    assert runs["promotion"] == row.id
    assert (one["active"], one["waiting"], one["holds"]) == (None, [], [])


def test_a_rollback_is_what_runs_and_the_hold_is_shown(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    succeeded(ledger, release(2), "prod", at=T0 + timedelta(hours=1))
    succeeded(ledger, release(1), "prod", kind=Kind.ROLLBACK, at=T0 + timedelta(hours=2))
    ledger.holds.add("shop", "prod", release(2).id, "the cart was empty", "ada", T0)
    printed = sluice("status")
    assert release(1).id in printed.lines[1]
    assert "1 hold" in printed.lines[1]
    assert any(release(2).id in line and "the cart was empty" in line for line in printed.lines[2:])


def test_a_waiting_promotion_shows_plan_and_quorum(sluice: Sluice, ledger: Ledger) -> None:
    row = opened(ledger, release(3), "prod", run="f-1", required=2, approvers=("grace", "linus"))
    moved(ledger, row, Status.WAITING)
    answered(ledger, row, "grace")
    answered(ledger, row, "linus", counted=False)
    (waiting,) = sluice("status", "--json").json[0]["waiting"]
    assert (waiting["have"], waiting["need"], waiting["approved_by"]) == (1, 2, ["grace"])
    assert waiting["plan_hash"] == row.plan_hash
    assert waiting["url"] == "http://127.0.0.1:4200/runs/flow-run/f-1"
    text = sluice("status").out
    assert "promotion 1 waits 1/2" in text
    assert "1 of 2 (grace)" in text


def test_a_yes_that_was_taken_back_does_not_count(sluice: Sluice, ledger: Ledger) -> None:
    row = opened(ledger, release(3), "prod", required=2, approvers=("grace", "linus"))
    moved(ledger, row, Status.WAITING)
    answered(ledger, row, "grace")
    answered(ledger, row, "grace", decision="reject")
    assert sluice("status", "--json").json[0]["waiting"][0]["have"] == 0


def test_an_active_promotion_and_a_broken_environment_stand_out(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "staging")
    moved(ledger, opened(ledger, release(2), "staging"), Status.APPROVED, Status.RUNNING)
    broken = opened(ledger, release(2), "feature")
    moved(ledger, broken, Status.APPROVED, Status.RUNNING, Status.BROKEN, message="a person is needed")
    feature, staging = sluice("status").lines[1:3]
    assert "last promotion 3 broken" in feature
    assert "promotion 2 running" in staging


def test_the_last_drill_that_passed_is_the_recovery_time(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    assert sluice("status", "--json").json[0]["recovery"] is None
    passed = DrillReceipt(
        host="prod",
        backup_path="/srv/one.dump",
        backup_sha256="0" * 64,
        tables=3,
        rows=700,
        restore_seconds=61.0,
        seconds=70.0,
        drilled_at=T0,
    )
    failed = passed.model_copy(update={"differences": ("the table orders was not restored",)})
    for receipt in (passed, failed):
        ledger.drills.add(promotion_id=None, pipeline="shop", environment="prod", receipt=receipt, now=T0)
    recovery = sluice("status", "--json").json[0]["recovery"]
    assert (recovery["restore_seconds"], recovery["backup"]) == (61.0, "/srv/one.dump")
    line = next(line for line in sluice("status").lines if "1 min 1 s" in line)
    assert line.startswith("shop prod")
    assert "2026-11-20 09:00 UTC" in line
    assert "the table orders was not restored" in line


def test_a_drill_of_a_dump_without_a_table_is_no_proof_though_it_was_recorded_as_one(
    sluice: Sluice, ledger: Ledger
) -> None:
    succeeded(ledger, release(1), "prod")
    found = DrillReceipt(
        host="prod",
        backup_path="/srv/one.dump",
        backup_sha256="0" * 64,
        tables=3,
        rows=0,
        restore_seconds=61.0,
        seconds=70.0,
        drilled_at=T0,
    )
    before = found.model_copy(update={"tables": 0})
    assert before.passed
    ledger.drills.add(promotion_id=None, pipeline="shop", environment="prod", receipt=before, now=T0)
    recovery = sluice("status", "--json").json[0]["recovery"]
    assert recovery["restore_seconds"] is None
    assert "no table" in recovery["failing"]


def test_pipelines_are_told_apart(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    succeeded(ledger, release(1, pipeline="blog").model_copy(update={"id": "20261120090000-b"}), "prod")
    assert len(sluice("status", "--json").json) == 2
    only = sluice("status", "--json", "--pipeline", "blog").json
    assert [one["pipeline"] for one in only] == ["blog"]


def test_text_from_outside_cannot_move_the_cursor_or_break_a_row(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1, subject="\x1b[2J[red]gone[/red]\nnext | line"), "staging")
    printed = sluice("status")
    assert "\x1b" not in printed.out
    assert len(printed.lines) == 2
    assert "[red]gone[/red] next | line" in printed.out


def test_columns_line_up_and_nothing_is_cut_in_a_pipe(sluice: Sluice, ledger: Ledger) -> None:
    long = "A subject as long as people sometimes write them, " * 3
    succeeded(ledger, release(1, subject=long), "staging")
    succeeded(ledger, release(2), "prod")
    printed = sluice("status")
    assert long.strip() in printed.out
    at = printed.lines[0].index("SINCE")
    assert all(line[at - 1] == " " and line[at:].startswith("2026") for line in printed.lines[1:])


def test_where_hosts_differ_is_shown_until_it_is_gone(sluice: Sluice, ledger: Ledger) -> None:
    succeeded(ledger, release(1), "prod")
    seen = Difference("web-1", "bundle", "compose.yaml", "was changed by hand")
    ledger.drift.see("shop", "prod", {"web-1"}, [seen], T0)
    printed = sluice("status")
    assert "1 difference" in printed.lines[1]
    line = next(line for line in printed.lines if "was changed by hand" in line)
    assert line.split()[:5] == ["shop", "prod", "web-1", "bundle", "compose.yaml"]
    (drift,) = sluice("status", "--json").json[0]["drift"]
    assert (drift["host"], drift["kind"], drift["since"]) == ("web-1", "bundle", "2026-11-20T09:00:00Z")
    assert drift["mend"].startswith("restore the file")
    ledger.drift.see("shop", "prod", {"web-1"}, [], T0 + timedelta(hours=1))
    assert "difference" not in sluice("status").out
    assert sluice("status", "--json").json[0]["drift"] == []


def test_it_says_how_the_release_that_runs_is_watched(sluice: Sluice, ledger: Ledger) -> None:
    row = succeeded(ledger, release(1), "prod")
    assert sluice("status", "--json").json[0]["running"]["watch"] is None
    until = T0 + timedelta(minutes=30)
    ledger.steps.start(row.id, START, now=T0)
    ledger.steps.finish(row.id, START, receipt=WatchStart(flow_run="f", until=until), now=T0)
    assert "watched until 2026-11-20 09:30 UTC" in sluice("status").lines[1]
    ledger.steps.start(row.id, WATCH, now=T0)
    assert "watched until 2026-11-20 09:30 UTC" in sluice("status").lines[1]
    ledger.steps.finish(row.id, WATCH, receipt=WatchEnd(verdict="red", text="web is unhealthy"), now=T0)
    assert "watch is red" in sluice("status").lines[1]
    watch = sluice("status", "--json").json[0]["running"]["watch"]
    assert (watch["verdict"], watch["text"]) == ("red", "web is unhealthy")


def test_a_green_watch_needs_no_word(sluice: Sluice, ledger: Ledger) -> None:
    row = succeeded(ledger, release(1), "prod")
    for name, receipt in (
        (START, WatchStart(flow_run="f", until=T0)),
        (WATCH, WatchEnd(verdict="green", text="well")),
    ):
        ledger.steps.start(row.id, name, now=T0)
        ledger.steps.finish(row.id, name, receipt=receipt, now=T0)
    assert "watch" not in sluice("status").lines[1]
    assert sluice("status", "--json").json[0]["running"]["watch"]["verdict"] == "green"
