"""A rollback that takes the database along, step by step: servers in memory, a real ledger, no Prefect."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from blocks.values.evidence import LossReport
from blocks.values.lifecycle import Status
from blocks.values.receipts import StepReceipt
from blocks.values.rollback import RollbackStrategy, StrategyKind
from flows.promotion import change as changing
from flows.promotion import fallback
from flows.promotion.change import Change
from flows.rollback import execute
from flows.rollback.execute import carry_back
from tasks.kernel.errors import FencedError, RefusedError, TerminalError, TransientError
from tasks.kernel.protocols import Fence
from tasks.ledger.store import Ledger
from tests.fakes.steps import FakeSteps
from tests.flows.domain.samples import image
from tests.flows.servers import NEW, OLD, RUNS, container, current, ended, failing, make_run, only_for, server
from tests.samples.runs import APP
from tests.tasks.ledger.samples import START, make_backup

DONE = StepReceipt(text="done")
DUMP = make_backup("backups/before.dump")
LEFT = NEW.model_copy(
    update={
        "release": NEW.release.model_copy(update={"images": (image(),)}),
        "services": ("backend", "backend-worker", "db"),
    }
)
CODE = RollbackStrategy(way=StrategyKind.CODE, reason="proven")
DOWNGRADE = RollbackStrategy(way=StrategyKind.DOWNGRADE, reason="tried", to_revision="m1")
RESTORE = RollbackStrategy(
    way=StrategyKind.RESTORE, reason="asked", backup_path=DUMP.path, backup_sha256=DUMP.sha256, most_rows=5
)
CHECKED = [
    "preflight web-1",
    "check_compose web-1",
    "preflight web-2",
    "check_compose web-2",
    "pull web-1",
    "pull web-2",
]
PAUSED = ["pause web-1", "pause web-2", "backup web-1"]


class Back:
    """A rollback from `bbbb` to `aaaa` on two servers.

    Attributes:
        lost: What down-migrations lost, by comparison.
        rows: How many rows a restore would lose by now.
    """

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hosts = [server("web-1"), server("web-2")]
        for host in self.hosts:
            host.raise_fence(Fence(APP, 1))
            host.links[f"{APP}/current"] = "releases/bbbb"
            host.answer("sluice-containers", stdout=json.dumps([container(one) for one in LEFT.services]))
        self.run = make_run(ledger, self.hosts)
        self.lost: list[str] = []
        self.rows = 5
        self.steps = steps = FakeSteps(monkeypatch)
        for module in (changing, fallback, execute):
            steps.call(module)
        steps.replace(changing, "pull", DONE)
        for name in ("preflight", "check_compose", "restore_beside"):
            steps.replace(execute, name, DONE)
        for name in ("pause", "downgrade"):
            steps.replace(execute, name, DONE, journal=name)
        steps.replace(execute, "back_up", make_backup("backups/undo.dump"), journal="backup")
        for name, word in (
            ("keep_database", "keep database"),
            ("swap_database", "swap database"),
            ("put_database_back", "put database back"),
            ("drop_kept", "drop kept"),
        ):
            steps.replace(execute, name, DONE, journal=word)
        monkeypatch.setattr(execute, "compare", lambda *_: None)
        monkeypatch.setattr(execute, "lost_by_downgrade", lambda _: self.lost)
        monkeypatch.setattr(execute, "loss_from_copy", lambda *_, **__: SimpleNamespace(rows=self.rows))
        ledger.backups.add(
            promotion_id=self.run.promotion_id,
            pipeline="shop",
            environment="prod",
            receipt=DUMP,
            now=START,
        )

    def __call__(self, strategy: RollbackStrategy) -> Status:
        names = ["web-1", "web-2"]
        facts = RUNS.model_copy(update={"manifest": LEFT, "database_bytes": 100})
        change = Change(OLD.release, dict.fromkeys(names, OLD), None, dict.fromkeys(names, facts))
        return carry_back(self.run, change, strategy)

    @property
    def current(self) -> list[str]:
        return current(self.hosts)


@pytest.fixture
def back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Back:
    return Back(ledger, monkeypatch)


def test_down_migrations_run_on_a_paused_application_whose_database_is_kept(back: Back) -> None:
    assert back(DOWNGRADE) is Status.SUCCEEDED
    assert back.steps.done == [*CHECKED, *PAUSED, "keep-database web-1", "downgrade web-1", "drop-kept web-1"]
    assert back.current == ["releases/aaaa"] * 2
    assert ended(back.run, Status.SUCCEEDED) == (
        "aaaa runs in prod, its schema by down-migrations to m1, nothing lost; its smoke checks passed"
    )
    # What is built here is stopped; the database goes on.
    assert back.steps.of("pause")[0]["services"] == ("backend", "backend-worker")
    # A dump, and a second database beside the live one.
    assert [given["needed_bytes"] for given in back.steps.of("preflight")] == [300, 0]
    assert "backups/undo.dump" in [one.receipt.path for one in back.run.ledger.backups.of("shop", "prod")]


def test_a_restore_is_put_beside_before_anything_stops_and_swapped_after_the_dump(back: Back) -> None:
    loss = LossReport(backup_path=DUMP.path, taken_at=datetime(2026, 11, 20, 3, tzinfo=UTC), source="copy")
    assert back(RESTORE.model_copy(update={"loss": loss})) is Status.SUCCEEDED
    steps = ["restore_beside web-1", *PAUSED, "swap-database web-1", "drop-kept web-1"]
    assert back.steps.done == [*CHECKED, *steps]
    assert ended(back.run, Status.SUCCEEDED) == (
        "aaaa runs in prod, its database as dumped 2026-11-20 03:00 UTC; its smoke checks passed; "
        "`prefect deployment run rollback/prod --param undo=true` asks to undo it"
    )


@pytest.mark.parametrize("strategy", [DOWNGRADE, RESTORE])
@pytest.mark.parametrize("step", ["preflight web-2", "check_compose web-1", "pull web-2"])
def test_what_is_missing_is_known_before_anything_stops(
    back: Back, strategy: RollbackStrategy, step: str
) -> None:
    back.steps.errors[step] = RefusedError("no")
    assert back(strategy) is Status.REFUSED
    assert back.steps.done == [*CHECKED, "drop-kept web-1"]
    assert back.current == ["releases/bbbb"] * 2


def test_more_lost_rows_than_people_agreed_to_change_nothing(back: Back) -> None:
    back.rows = 6
    assert back(RESTORE) is Status.RESTORED
    assert ended(back.run, Status.RESTORED).startswith(
        "6 rows would be lost by now, and the approvals cover 5"
    )
    assert "swap-database web-1" not in back.steps.done
    assert "put-database-back web-1" in back.steps.done
    assert back.current == ["releases/bbbb"] * 2


def test_a_swap_that_was_begun_is_not_compared_again(back: Back) -> None:
    back.rows = 6
    back.run.ledger.steps.start(back.run.promotion_id, "swap database", "web-1", now=START)
    assert back(RESTORE) is Status.SUCCEEDED


def test_a_dump_that_the_ledger_lost_stops_the_rollback(back: Back) -> None:
    gone = RESTORE.model_copy(update={"backup_sha256": "0" * 64})
    assert back(gone) is Status.REFUSED
    assert back.steps.done == [*CHECKED, "drop-kept web-1"]


def test_down_migrations_that_lose_rows_after_all_are_taken_back(back: Back) -> None:
    back.lost = ["orders: 3 rows"]
    assert back(DOWNGRADE) is Status.RESTORED
    assert "lost what they did not lose on the copy: orders: 3 rows" in ended(back.run, Status.RESTORED)
    assert back.steps.done[-1] == "put-database-back web-1"


def test_once_the_earlier_release_writes_its_rows_are_no_loss(back: Back) -> None:
    back.lost = ["orders: 3 rows"]
    back.run.ledger.steps.start(back.run.promotion_id, "up", "web-1", now=START)
    assert back(DOWNGRADE) is Status.SUCCEEDED


@pytest.mark.parametrize("strategy", [DOWNGRADE, RESTORE])
def test_a_switch_that_fails_puts_the_database_back_and_starts_every_host_again(
    back: Back, strategy: RollbackStrategy
) -> None:
    only_for(back.hosts[1], "aaaa", failing)
    assert back(strategy) is Status.RESTORED
    assert back.steps.done[-1] == "put-database-back web-1"
    assert back.current == ["releases/bbbb"] * 2


def test_a_database_that_cannot_be_put_back_starts_nothing(back: Back) -> None:
    only_for(back.hosts[1], "aaaa", failing)
    back.steps.errors["put-database-back"] = TerminalError("no connection")
    assert back(DOWNGRADE) is Status.BROKEN
    assert back.current == ["releases/aaaa"] * 2


def test_a_lease_that_is_lost_leaves_database_and_hosts_to_who_took_over(back: Back) -> None:
    back.steps.errors["downgrade"] = FencedError("taken over")
    assert back(DOWNGRADE) is Status.ABANDONED
    assert back.steps.done[-1] == "downgrade web-1"
    assert ended(back.run, Status.ABANDONED) == "taken over"


def test_what_cannot_be_removed_afterwards_is_no_failure(back: Back) -> None:
    back.steps.errors["drop-kept"] = TransientError("web-1 does not answer")
    assert back(DOWNGRADE) is Status.SUCCEEDED


def test_the_code_alone_leaves_the_database_alone(back: Back, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.promotion import preflights

    back.steps.replace(preflights, "preflight", DONE)
    back.steps.replace(changing, "check_compose", DONE)
    assert back(CODE) is Status.SUCCEEDED
    assert not {"pause", "backup", "drop-kept"} & {one.split(" ")[0] for one in back.steps.done}
    assert [given["needed_bytes"] for given in back.steps.of("preflight")] == [0, 0]
