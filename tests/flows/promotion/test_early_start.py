"""What is begun before the plan where nobody is asked, and what becomes of it when the plan fails."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.evidence import Rendered
from blocks.values.facts import HostFacts
from blocks.values.lifecycle import Status
from blocks.values.receipts import StepReceipt
from blocks.values.releases import Revision
from flows.gates.entry import UndecidedError
from flows.promotion import early_start, preflights
from flows.promotion.change import Change
from flows.promotion.early_start import started_early
from flows.promotion.prepare import Prepared
from tasks.database.engine.protocols import ColumnFacts
from tasks.database.render import ToldMigrations
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import FencedError, RefusedError, TerminalError
from tasks.ledger.store import Ledger
from tests.fakes.steps import FakeFuture, FakeSteps
from tests.flows.servers import NEW, RUNS, make_run, server
from tests.tasks.ledger.samples import make_backup, make_plan, make_release

DONE = StepReceipt(text="there")
FACTS = RUNS.model_copy(
    update={"host": "web-1", "database_running": True, "revision": "m1", "env_file": ".env"}
)
LISTED = ToldMigrations(
    revisions=NEW.release.revisions, rendered=Rendered(text="ALTER TABLE orders", exit_code=0)
)


OWN = (Revision(id="own list"),)


class FakePending:
    """A release whose images are being pushed; its migrations are listed elsewhere or by itself."""

    built = True
    release = make_release("two", revisions=())
    release_id = release.id

    def __init__(self, steps: FakeSteps) -> None:
        self.let_pushes_go_first = lambda: steps.note("pushes")

    def finish(self, listed: Any) -> Any:
        return self.release.model_copy(update={"revisions": listed() or OWN})


class Early:
    """A promotion that nobody is asked about, its steps and its facts."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = steps = FakeSteps(monkeypatch)
        self.run = make_run(ledger, [server("web-1")], Status.PLANNING)
        self.again: HostFacts = FACTS
        self.stopped = False
        self.dump = make_backup("backups/early.dump").model_copy(update={"taken_at": utc_now()})
        steps.call(early_start)
        for module, name, answer in (
            (preflights, "preflight", DONE),
            (early_start, "prepare", DONE),
            (early_start, "check_compose", DONE),
            (early_start, "dump_early", lambda **_: self.dump),
            (early_start, "tell_migrations", LISTED),
        ):
            steps.replace(module, name, answer)
        bundle: Any = SimpleNamespace(
            archive=None, override="", files_for=lambda _: None, brought=dict, written=()
        )
        for name, value in (
            ("make_bundle", lambda *_: bundle),
            ("manifests_of", lambda *_: {"web-1": NEW}),
            ("reading_hosts", self._reading),
            ("confined_on_host", lambda *_: "the image, confined"),
            ("read_columns", lambda _: ColumnFacts({"orders": 7})),
            ("remove_dump", lambda *given: steps.note("remove", {"host": given[1], "name": given[2]})),
            ("revive", lambda _: self.revived()),
            ("stopped_meanwhile", lambda *_: self.stopped),
            ("change_of", lambda *_: Change(NEW.release, {}, bundle, {})),
        ):
            monkeypatch.setattr(early_start, name, value)

    def revived(self) -> str:
        self.steps.note("revive")
        return "db had stopped on web-1 and were started again" if self.stopped else ""

    def _reading(self, run: Any) -> Any:
        return nullcontext(lambda: {"web-1": self.again})

    def prepared(self, **more: Any) -> Prepared:
        nothing = cast("Any", None)
        values: dict[str, Any] = {
            "checking": (FakeFuture(lambda: DONE),),
            "checked_at": utc_now(),
        }
        sources: Any = SimpleNamespace(config={})
        pending: Any = FakePending(self.steps)
        return Prepared(self.run, nothing, nothing, pending, sources, {"web-1": FACTS}, **(values | more))


@pytest.fixture
def early(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Early:
    return Early(ledger, monkeypatch)


def test_where_people_are_asked_nothing_is_begun_until_the_plan_needs_it(early: Early) -> None:
    with started_early(early.prepared(asks=True)) as begun:
        begun.wait()
        assert early.steps.done == []
        begun.wait_for_images()
        # Without the lease compose is asked by the change itself.
        assert early.steps.done == ["prepare web-1"]
        change = begun.change(early.prepared(), make_plan("two"))
    assert (change.pulled, change.dump) == (None, None)


def test_where_nobody_is_asked_the_change_finds_dump_and_images(early: Early) -> None:
    with started_early(early.prepared()) as begun:
        begun.wait()
        change = begun.change(begun.prepared, make_plan("two"))
    assert early.steps.done == ["pushes", "dump_early web-1", "prepare web-1", "check_compose web-1"]
    assert (change.pulled, change.dump) == (DONE, early.dump)


def test_hosts_are_checked_again_where_that_was_long_ago(early: Early) -> None:
    with started_early(early.prepared(checked_at=utc_now() - timedelta(minutes=2))):
        assert early.steps.done[0] == "preflight web-1"
    early.steps.errors["preflight"] = RefusedError("the disk is full", "free some space")
    with (
        pytest.raises(RefusedError, match="the disk is full"),
        started_early(early.prepared(checking=())),
    ):
        raise AssertionError("nothing is planned on a host that refuses")


def test_nothing_is_dumped_where_the_database_does_not_run(early: Early) -> None:
    down = FACTS.model_copy(update={"database_running": False})
    with started_early(replace(early.prepared(), hosts={"web-1": down})) as begun:
        begun.wait()
        assert begun.change(begun.prepared, make_plan("two")).dump is None
    assert "dump_early web-1" not in early.steps.done


def test_what_was_begun_with_another_env_file_is_begun_anew(early: Early) -> None:
    early.again = FACTS.model_copy(update={"env_file": ".env.prod"})
    with started_early(early.prepared()) as begun:
        assert begun.finish_release().hosts == {"web-1": early.again}
    assert early.steps.done.count("prepare web-1") == 2


def test_a_new_image_lists_its_migrations_on_the_first_host(early: Early) -> None:
    with started_early(early.prepared(lists_on_host=True)) as begun:
        found = begun.finish_release()
        assert found.release.revisions == NEW.release.revisions
        assert begun.rendered("m1") == (LISTED.rendered, ColumnFacts({"orders": 7}))
        # From another revision it would be other SQL.
        assert begun.rendered("m0") is None
    assert early.steps.of("tell_migrations")[0]["start"] == "m1"


def test_where_it_does_not_list_them_the_release_asks_itself(early: Early) -> None:
    early.steps.replace(early_start, "tell_migrations", None)
    with started_early(early.prepared(lists_on_host=True)) as begun:
        assert begun.finish_release().release.revisions == OWN
        assert begun.rendered("m1") is None
    with started_early(early.prepared()) as begun:
        assert begun.finish_release().release.revisions == OWN


def test_a_dump_that_is_too_old_is_removed_and_taken_anew(early: Early) -> None:
    early.dump = early.dump.model_copy(update={"taken_at": utc_now() - timedelta(seconds=61)})
    with started_early(early.prepared()) as begun:
        begun.wait()
        assert begun.change(begun.prepared, make_plan("two")).dump is None
    assert early.steps.done[-1] == "remove web-1"
    assert early.steps.of("remove")[0]["name"].startswith("prod-")


def test_a_dump_that_failed_is_left_to_the_change(early: Early) -> None:
    early.steps.errors["dump_early"] = TerminalError("backup: no space left")
    with started_early(early.prepared()) as begun:
        begun.wait()
        assert begun.change(begun.prepared, make_plan("two")).dump is None


def test_images_that_cannot_be_pulled_end_the_plan(early: Early) -> None:
    early.steps.errors["prepare"] = TerminalError("pull: denied", "check the login")
    said = pytest.raises(TerminalError, match=r"pull: denied \(aaaa still runs in prod\)")
    with said, started_early(early.prepared()) as begun:
        begun.wait()
    assert early.steps.done[-2:] == ["remove web-1", "revive"]


@pytest.mark.parametrize(
    ("error", "stopped", "kind", "message", "revives"),
    [
        (RefusedError("a gate is closed"), False, RefusedError, "a gate is closed", False),
        (
            RefusedError("the database does not run"),
            True,
            RefusedError,
            "the database does not run (db had stopped on web-1 and were started again)",
            True,
        ),
        (TerminalError("bad SQL"), False, TerminalError, "bad SQL (aaaa still runs in prod)", True),
        (FencedError("taken over"), True, FencedError, "taken over", False),
        (UndecidedError("a check runs"), True, UndecidedError, "a check runs", False),
        (ValueError("odd"), True, TerminalError, "ValueError", True),
    ],
)
def test_an_error_takes_the_dump_away_and_starts_what_stopped(
    early: Early, error: Exception, stopped: bool, kind: type[Exception], message: str, revives: bool
) -> None:
    early.stopped = stopped
    with pytest.raises(kind) as caught, started_early(early.prepared()):
        raise error
    assert message in str(caught.value)
    assert ("remove web-1" in early.steps.done, "revive" in early.steps.done) == (True, revives)


def test_where_people_are_asked_an_error_stays_as_it_is(early: Early) -> None:
    with pytest.raises(TerminalError, match="^bad SQL$"), started_early(early.prepared(asks=True)):
        raise TerminalError("bad SQL")
    assert early.steps.done == []


def test_a_dump_that_cannot_be_removed_changes_nothing_about_the_error(early: Early) -> None:
    early.steps.errors["remove"] = TerminalError("web-1 does not answer")
    with pytest.raises(RefusedError, match="^a gate is closed$"), started_early(early.prepared()):
        raise RefusedError("a gate is closed")


def test_compose_is_asked_under_the_lease_and_its_no_counts(early: Early) -> None:
    early.steps.errors["check_compose"] = RefusedError("preflight: compose refuses the configuration")
    with pytest.raises(RefusedError, match="compose refuses"), started_early(early.prepared()) as begun:
        begun.wait()
