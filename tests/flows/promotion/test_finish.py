"""What follows a promotion's end: nothing that fails in it changes the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from blocks.values.lifecycle import Kind, Status
from blocks.values.receipts import StepReceipt
from flows.promotion import finish as finishing
from flows.promotion.finish import finish, kept_releases
from tasks.kernel.errors import TerminalError
from tasks.ledger.store import Ledger
from tasks.steps import notify as notifying
from tasks.steps.run import Run
from tests.fakes.notifier import FakeNotifier
from tests.fakes.steps import FakeSteps
from tests.flows.servers import make_run, server
from tests.tasks.ledger.samples import bring, make_release, open_promotion

DONE = StepReceipt(text="done")


class End:
    """What follows the end of a promotion with a status."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger = ledger
        self.steps = steps = FakeSteps(monkeypatch)
        self.channel = FakeNotifier()
        self.published: list[str] = []
        for name in ("tag", "prune", "remember"):
            steps.replace(finishing, name, DONE, journal=name)
        steps.replace(finishing, "notify", self._notify, journal="notify")
        monkeypatch.setattr(notifying, "read_channel", self._read_channel)
        monkeypatch.setattr(finishing, "publish", lambda key, text, _: self._publish(key, text))
        monkeypatch.setattr(finishing, "keep_rescue", lambda _: steps.note("rescue"))

    def _read_channel(self, name: str) -> FakeNotifier:
        if name == "gone":
            raise TerminalError("there is no notification channel gone")
        return self.channel

    @staticmethod
    def _notify(text: str, data: dict[str, object], key: str) -> StepReceipt:
        failed = notifying.tell(("gone", "team"), text, data, key)
        return StepReceipt(text=f"{len(failed)} not")

    def _publish(self, key: str, text: str) -> None:
        self.steps.note("publish")
        self.published.append(f"{key}: {text}")

    def run(self, status: Status) -> Run:
        run = make_run(self.ledger, [server("web-1")], status)
        run.policy = run.policy.model_copy(update={"notify": ("gone", "team")})
        return run


@pytest.fixture
def end(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> End:
    return End(ledger, monkeypatch)


RESOLVED = cast("Any", SimpleNamespace(kind="tag", name="v1.4.0"))


def test_a_success_is_tagged_pruned_remembered_and_told(end: End) -> None:
    run = end.run(Status.SUCCEEDED)
    assert finish(run, resolved=RESOLVED).status is Status.SUCCEEDED
    assert end.steps.done == ["tag", "prune", "remember", "notify", "rescue", "publish"]
    assert end.steps.of("tag")[0]["tags"] == ("prod", "v1.4.0")
    (sent,) = end.channel.sent
    assert sent.key == f"shop/prod/{run.promotion_id}/succeeded/team"
    assert sent.data["status"] == "succeeded"
    # The report has the steps that came before it.
    assert "| tag |" in end.published[0]


def test_a_second_run_repeats_none_of_it_but_the_report(end: End) -> None:
    run = end.run(Status.SUCCEEDED)
    finish(run)
    end.steps.calls.clear()
    finish(run)
    assert end.steps.done == ["rescue", "publish"]
    assert len(end.channel.sent) == 1


@pytest.mark.parametrize("error", [TerminalError("no"), KeyError("odd")], ids=["foreseen", "unforeseen"])
@pytest.mark.parametrize("step", ["tag", "prune", "remember", "notify", "rescue", "publish"])
def test_whatever_fails_the_promotion_stays_as_it_ended(end: End, step: str, error: Exception) -> None:
    end.steps.errors[step] = error
    run = end.run(Status.SUCCEEDED)
    assert finish(run, resolved=RESOLVED).status is Status.SUCCEEDED
    assert end.steps.done == ["tag", "prune", "remember", "notify", "rescue", "publish"]
    row = end.ledger.promotions.get(run.promotion_id)
    assert row is not None
    assert row.status is Status.SUCCEEDED


@pytest.mark.parametrize("error", [TerminalError("no"), RuntimeError("boom")])
def test_a_notifier_that_raises_is_no_failure(end: End, error: Exception) -> None:
    end.channel.error = error
    assert finish(end.run(Status.SUCCEEDED)).status is Status.SUCCEEDED
    assert end.channel.sent == []
    assert end.steps.done[-1] == "publish"


@pytest.mark.parametrize(
    ("status", "done"),
    [
        (Status.UNCHANGED, ["notify", "rescue", "publish"]),
        (Status.FAILED, ["notify", "publish"]),
        (Status.RESTORED, ["notify", "publish"]),
        (Status.BROKEN, ["notify", "publish"]),
        (Status.REJECTED, ["notify", "publish"]),
        # Whoever took its place is told of.
        (Status.SUPERSEDED, ["publish"]),
    ],
)
def test_any_other_end_changes_nothing_on_the_hosts(end: End, status: Status, done: list[str]) -> None:
    assert finish(end.run(status)).status is status
    assert end.steps.done == done


def test_without_the_lease_nothing_is_tagged_or_pruned(end: End) -> None:
    run = end.run(Status.SUCCEEDED)
    run.keeper = None
    finish(run)
    assert end.steps.done == ["notify", "rescue", "publish"]


def test_the_newest_that_ran_and_what_waits_is_kept(end: End) -> None:
    for at, name in enumerate(("one", "three", "four")):
        bring(end.ledger, name, seconds=10 * at)
    bring(end.ledger, "bad", Status.FAILED, seconds=50)
    waiting = open_promotion(end.ledger, "run", kind=Kind.REDEPLOY)
    waits = end.ledger.releases.record(make_release("five"))
    end.ledger.promotions.set_release(waiting.id, waits.id, waiting.created_at)
    run = end.run(Status.PLANNING)
    run.policy = run.policy.model_copy(update={"keep_releases": 4})
    ids = [make_release(name).id for name in ("two", "five", "four", "three")]
    assert sorted(kept_releases(run, make_release("two"))) == sorted(ids)
    assert next(iter(kept_releases(run, make_release("two")))) == ids[0]
