"""A change, step by step: three servers in memory, a real ledger, no Prefect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.evidence import DrillReceipt
from blocks.values.lifecycle import Status
from blocks.values.receipts import MigrateReceipt, StepReceipt
from flows.promotion import change as changing
from flows.promotion import fallback, preflights
from flows.promotion.change import Change, carry_out, change_of
from flows.promotion.fallback import restore_again
from tasks.kernel.errors import FencedError, RefusedError, SluiceError, TerminalError, TransientError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tasks.steps.run import Run
from tests.fakes.host import FakeHost
from tests.fakes.steps import FakeSteps
from tests.flows.servers import NEW, RUNS, current, ended, failing, make_run, only_for, server, stopped
from tests.samples.runs import APP
from tests.tasks.ledger.samples import START, at, make_backup, make_plan

DONE = StepReceipt(text="done")
DRILLED = DrillReceipt(
    host="web-1",
    backup_path="backups/1.dump",
    backup_sha256="f" * 64,
    tables=7,
    rows=70,
    restore_seconds=1,
    seconds=2,
    drilled_at=START,
)
NAMES = ("web-1", "web-2", "web-3")
BEFORE_THE_SWITCH = ("stage", "pull", "backup", "drill", "migrate")


@pytest.fixture
def hosts() -> list[FakeHost]:
    found = [server(name) for name in NAMES]
    for host in found:
        host.raise_fence(Fence(APP, 1))
        host.links[f"{APP}/current"] = "releases/aaaa"
    return found


@pytest.fixture
def run(ledger: Ledger, hosts: list[FakeHost]) -> Run:
    return make_run(ledger, hosts)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> FakeSteps:
    """Steps before the switch are journaled and do nothing; the switch and the way back are real."""
    made = FakeSteps(monkeypatch)
    made.call(changing)
    made.call(fallback)
    made.replace(preflights, "preflight", DONE)
    made.replace(changing, "check_compose", DONE)
    made.replace(changing, "stage", DONE, journal="stage")
    made.replace(changing, "pull", DONE, journal="pull")
    made.replace(changing, "back_up", make_backup(), journal="backup")
    made.replace(changing, "drill", DRILLED, journal="drill")
    made.replace(changing, "migrate", MigrateReceipt(before="m1", after="m2", seconds=1), journal="migrate")
    monkeypatch.setattr(changing, "begin_copies", lambda *_: made.note("copies"))
    return made


def change(hosts: list[FakeHost], **more: Any) -> Change:
    bundle = SimpleNamespace(
        archive=SimpleNamespace(size=5), override="", ports=frozenset({80}), files_for=lambda _: None
    )
    names = [host.name for host in hosts]
    values: dict[str, Any] = {
        "release": NEW.release,
        "manifests": dict.fromkeys(names, NEW),
        "bundle": bundle,
        "hosts": dict.fromkeys(names, RUNS.model_copy(update={"database_bytes": 100})),
        "backup": True,
        "migrates": True,
        "drills": True,
    }
    return Change(**(values | more))


def each(step: str, names: tuple[str, ...] = NAMES) -> list[str]:
    return [f"{step} {name}" for name in names]


def test_all_is_checked_and_prepared_before_the_first_host_is_switched(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    assert carry_out(run, change(hosts)) is Status.SUCCEEDED
    assert steps.done == [
        *each("preflight"),
        *each("stage"),
        *each("check_compose"),
        *each("pull"),
        "backup web-1",
        "copies",
        "drill web-1",
        "migrate web-1",
    ]
    assert current(hosts) == ["releases/bbbb"] * 3
    assert ended(run, Status.SUCCEEDED) == "bbbb runs in prod; its smoke checks passed"
    # The archive and its files; on the host with the database the dump and a copy of it, too.
    assert [one["needed_bytes"] for one in steps.of("preflight")] == [210, 10, 10]
    journal = [(row.name, row.host) for row in run.ledger.steps.of(run.promotion_id)]
    assert journal[-6:] == [(name, host) for name in ("up", "smoke") for host in NAMES]
    assert [one.receipt for one in run.ledger.backups.of("shop", "prod")].count(make_backup()) == 1


@pytest.mark.parametrize("step", ["preflight", "check_compose", *BEFORE_THE_SWITCH])
def test_what_fails_before_the_switch_leaves_every_host_as_it_was(
    run: Run, hosts: list[FakeHost], steps: FakeSteps, step: str
) -> None:
    last = "web-3" if step in {"preflight", "stage", "check_compose", "pull"} else "web-1"
    steps.errors[f"{step} {last}"] = TransientError("away")
    assert carry_out(run, change(hosts)) is Status.FAILED
    assert ended(run, Status.FAILED) == "away (aaaa still runs in prod)"
    assert current(hosts) == ["releases/aaaa"] * 3
    # What goes on beside it ends first; what would follow does not begin.
    assert steps.done[-1].split(" ")[0] == {"pull": "backup"}.get(step, step)


def test_a_host_that_refuses_ends_the_promotion_as_refused(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    steps.errors["preflight web-2"] = RefusedError("port 80 is taken")
    assert carry_out(run, change(hosts)) is Status.REFUSED
    assert steps.done == each("preflight")


def test_a_lease_that_is_lost_before_the_switch_abandons_it_and_nothing_more_is_done(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    steps.errors["drill"] = FencedError("taken over")
    assert carry_out(run, change(hosts)) is Status.ABANDONED
    assert (steps.done[-1], current(hosts)) == ("drill web-1", ["releases/aaaa"] * 3)
    assert [host.argvs("docker", "compose", "up") for host in hosts] == [[], [], []]


def test_a_lease_that_is_lost_between_two_hosts_leaves_them_to_who_took_over(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    only_for(hosts[0], "bbbb", lambda _: hosts[1].raise_fence(Fence(APP, 2)))
    assert carry_out(run, change(hosts)) is Status.ABANDONED
    assert current(hosts) == ["releases/bbbb", "releases/aaaa", "releases/aaaa"]


def test_a_switch_that_fails_on_the_second_host_starts_every_host_again(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    only_for(hosts[1], "bbbb", failing)
    assert carry_out(run, change(hosts)) is Status.RESTORED
    assert current(hosts) == ["releases/aaaa"] * 3
    rows = [row.host for row in run.ledger.steps.of(run.promotion_id) if row.name == "restore"]
    assert rows == list(NAMES)
    assert ended(run, Status.RESTORED).startswith("up: bbbb does not start on web-2")


@pytest.mark.parametrize("empty", [0, 1])
def test_a_host_on_which_nothing_ran_is_stopped_and_the_others_run_again(
    run: Run, hosts: list[FakeHost], steps: FakeSteps, empty: int
) -> None:
    """It was installed anew, or is one host more: what ran on the others is not given up for it."""
    only_for(hosts[2], "bbbb", failing)
    hosts[empty].answer("docker", "compose", "stop")
    hosts[empty].answer("rm", "-f", f"{APP}/current")
    facts = dict.fromkeys(NAMES, RUNS.model_copy(update={"database_bytes": 100}))
    facts[NAMES[empty]] = RUNS.model_copy(update={"manifest": None, "containers": ()})
    assert carry_out(run, replace(change(hosts), hosts=facts)) is Status.RESTORED
    for number, host in enumerate(hosts):
        stops = [argv for argv in host.argvs("docker", "compose") if argv[-1] == "stop"]
        assert len(stops) == (number == empty)
        assert number == empty or host.links[f"{APP}/current"] == "releases/aaaa"
    assert f"nothing ran on {NAMES[empty]} before" in ended(run, Status.RESTORED)


def test_where_nothing_ran_on_the_first_host_the_others_are_revived(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    steps.errors["migrate web-1"] = TerminalError("migrate: failed")
    facts = dict.fromkeys(NAMES, RUNS.model_copy(update={"database_bytes": 100}))
    facts["web-1"] = RUNS.model_copy(update={"manifest": None, "containers": ()})
    stopped(hosts[1])
    assert carry_out(run, replace(change(hosts), hosts=facts)) is Status.FAILED
    assert "backend had stopped on web-2 and were started again" in ended(run, Status.FAILED)


def test_a_red_smoke_check_starts_every_host_again(run: Run, hosts: list[FakeHost], steps: FakeSteps) -> None:
    steps.replace(changing, "smoke", DONE, journal="smoke")
    steps.errors["smoke web-3"] = TerminalError("smoke: red")
    assert carry_out(run, change(hosts)) is Status.RESTORED
    assert current(hosts) == ["releases/aaaa"] * 3


def test_what_was_done_a_moment_ago_is_not_done_again(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    early = StepReceipt(text="there")
    backup = make_backup("backups/early.dump")
    one = change(hosts, pulled=early, dump=backup)
    assert carry_out(run, one) is Status.SUCCEEDED
    others = NAMES[1:]
    assert steps.done[:2] == each("preflight", others)
    assert [name for name in steps.done if name.startswith("check_compose")] == each("check_compose", others)
    assert [given["known"] for given in steps.of("pull")] == [early, None, None]
    assert steps.of("backup")[0]["known"] is backup
    assert steps.of("migrate")[0]["known"] == one.hosts["web-1"]


def test_where_the_only_host_was_prepared_the_pull_does_not_wait_for_its_files(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    steps.errors["stage"] = TerminalError("disk full")
    assert carry_out(run, change(hosts[:1], pulled=DONE)) is Status.FAILED
    assert steps.done == ["stage web-1", "pull web-1", "backup web-1"]
    assert ended(run, Status.FAILED).startswith("disk full")


def test_what_hosts_have_already_is_only_checked(run: Run, hosts: list[FakeHost], steps: FakeSteps) -> None:
    back = change(hosts, bundle=None, backup=False, migrates=False, drills=False)
    assert carry_out(run, back) is Status.SUCCEEDED
    assert steps.done == [*each("preflight"), *each("check_compose"), *each("pull")]
    # Its files lie there since it ran: they are compared.
    assert [given["kept"] for given in steps.of("check_compose")] == [True] * 3


def test_a_dump_that_proves_nothing_stops_the_change(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    old = make_backup("backups/old.dump").model_copy(update={"tables": None, "counters": {}})
    steps.replace(changing, "back_up", old, journal="backup")
    assert carry_out(run, change(hosts)) is Status.FAILED
    assert "was taken before Sluice was upgraded" in ended(run, Status.FAILED)
    assert "copies" not in steps.done


def test_a_dump_that_does_not_restore_stops_the_change_and_is_written_down(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    failed = DRILLED.model_copy(update={"drilled_at": at(7), "differences": ("orders: 3 rows, 2 restored",)})
    steps.replace(changing, "drill", failed, journal="drill")
    assert carry_out(run, change(hosts)) is Status.FAILED
    assert "orders: 3 rows, 2 restored" in ended(run, Status.FAILED)
    assert "migrate web-1" not in steps.done
    assert failed.drilled_at in [one.receipt.drilled_at for one in run.ledger.drills.of("shop", "prod")]


def test_data_that_would_be_left_is_looked_for_until_the_switch_begins(
    run: Run, hosts: list[FakeHost], steps: FakeSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RefusedError("prod: files would be left behind")

    monkeypatch.setattr(changing, "refuse_written", refuse)
    assert carry_out(run, change(hosts)) is Status.REFUSED
    assert current(hosts) == ["releases/aaaa"] * 3


@pytest.mark.parametrize("step", [*BEFORE_THE_SWITCH, "up", "smoke"])
def test_a_run_killed_in_a_step_goes_on_there_and_repeats_nothing_that_finished(
    run: Run, hosts: list[FakeHost], steps: FakeSteps, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    if step in {"up", "smoke"}:
        steps.replace(changing, step, DONE, journal=step)
    steps.errors[f"{step} web-1"] = Killed()
    with pytest.raises(Killed):
        carry_out(run, change(hosts))
    assert ended(run, Status.RUNNING) == ""
    del steps.errors[f"{step} web-1"]
    before = [one for one in steps.done if one != f"{step} web-1"]
    steps.calls.clear()
    assert carry_out(run, change(hosts)) is Status.SUCCEEDED
    # Checks are made again; of what is journaled only what was not finished.
    journaled = {one for one in before if one.split(" ")[0] in {*BEFORE_THE_SWITCH, "up", "smoke"}}
    assert journaled.isdisjoint(steps.done)
    assert f"{step} web-1" in steps.done
    rows = run.ledger.steps.of(run.promotion_id)
    assert {row.status for row in rows} == {"finished"}
    assert len({(row.name, row.host) for row in rows}) == len(rows)


def test_a_run_killed_on_its_way_back_goes_on_with_it(
    run: Run, hosts: list[FakeHost], steps: FakeSteps
) -> None:
    for host in hosts:
        host.links[f"{APP}/current"] = "releases/bbbb"
    run.ledger.steps.start(run.promotion_id, "up", "web-1", now=START)
    row = run.ledger.promotions.move(run.promotion_id, Status.RESTORING, now=START, message="red")
    restore_again(run, row, changing.fallback_of(run, change(hosts)))
    assert (ended(run, Status.RESTORED), current(hosts)) == ("red", ["releases/aaaa"] * 3)


@pytest.mark.parametrize(
    ("error", "status"), [(TerminalError("gone"), Status.RESTORED), (FencedError("lost"), Status.ABANDONED)]
)
def test_an_error_after_the_switch_decides_by_its_kind(
    run: Run, hosts: list[FakeHost], steps: FakeSteps, error: SluiceError, status: Status
) -> None:
    steps.replace(changing, "smoke", DONE, journal="smoke")
    steps.errors["smoke"] = error
    assert carry_out(run, change(hosts)) is status


MIGRATION = SimpleNamespace(at_boot=False, only_upgrades=True)


@pytest.mark.parametrize(
    ("migration", "drill", "pending", "migrates", "drills"),
    [
        (None, True, True, False, False),
        (MIGRATION, False, True, True, False),
        (MIGRATION, True, True, True, True),
        (MIGRATION, True, False, False, False),
        (SimpleNamespace(at_boot=True, only_upgrades=False), True, True, False, True),
    ],
)
def test_a_plan_says_what_is_migrated_and_drilled(
    monkeypatch: pytest.MonkeyPatch, migration: Any, drill: bool, pending: bool, migrates: bool, drills: bool
) -> None:
    monkeypatch.setattr(changing, "manifests_of", lambda *_: {"web-1": NEW})
    rules = SimpleNamespace(drill=drill, rehearse=False)
    run = SimpleNamespace(
        description=SimpleNamespace(migration=migration), policy=SimpleNamespace(database=rules)
    )
    prepared: Any = SimpleNamespace(
        run=run, release=NEW.release, hosts={"web-1": RUNS}, sources=SimpleNamespace(source=Path("/source"))
    )
    plan = make_plan("two", revision="m1", pending=NEW.release.revisions if pending else (), backup=True)
    found = change_of(prepared, plan, cast("Any", None))
    assert (found.migrates, found.drills, found.backup) == (migrates, drills, True)
    assert (found.pulled, found.dump, found.checkout) == (None, None, Path("/source"))
