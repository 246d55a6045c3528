"""A delivery is stored once, decided once, and what it starts is known before and after Prefect was asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from blocks.values.deliveries import Arrived, DeliveryStatus, Start, StartStatus
from blocks.values.lifecycle import Kind
from tasks.kernel.errors import TerminalError
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import PROD, at

if TYPE_CHECKING:
    from tasks.ledger.delivery_records import DeliveryRecord

REPOSITORY = "acme/shop"


def arrived(delivery: str, **given: Any) -> Arrived:
    plain: dict[str, Any] = {
        "event": "push",
        "repository": REPOSITORY,
        "ref": "refs/heads/main",
        "sha": "a" * 40,
        "digest": f"digest of {delivery}",
    }
    return Arrived(**{**plain, "delivery": delivery, **given})


def taken(ledger: Ledger, delivery: str, **given: Any) -> DeliveryRecord:
    assert ledger.deliveries.take_in([arrived(delivery, **given)], at(0)) == ["stored"]
    found = ledger.deliveries.get(delivery)
    assert found is not None
    return found


def start(environment: str = PROD, **given: Any) -> Start:
    return Start(
        **{"environment": environment, "kind": Kind.PROMOTE, "ref": "a" * 40, "sha": "a" * 40, **given}
    )


def test_a_delivery_is_stored_as_it_came(ledger: Ledger) -> None:
    row = taken(ledger, "d-1", number=2**33, sender="ana", facts='{"n": 1}', action="opened")
    assert (row.event, row.action, row.number, row.sender) == ("push", "opened", 2**33, "ana")
    assert (row.status, row.reason, row.attempts, row.next_try_at) == (DeliveryStatus.RECEIVED, "", 0, None)
    assert row.received_at == at(0)
    assert ledger.deliveries.waiting(at(0)) == [row]
    assert ledger.deliveries.get("d-2") is None


def test_a_repeated_id_does_nothing_whatever_comes_with_it(ledger: Ledger) -> None:
    first = taken(ledger, "d-1")
    again = [arrived("d-1"), arrived("d-1", digest="another", ref="refs/heads/evil")]
    assert ledger.deliveries.take_in(again, at(9)) == ["repeated", "repeated"]
    assert ledger.deliveries.newest(9) == [first]


def test_a_body_under_another_id_is_a_copy(ledger: Ledger) -> None:
    taken(ledger, "d-1", digest="x")
    assert ledger.deliveries.take_in([arrived("d-2", digest="x")], at(1)) == ["copied"]
    copy = ledger.deliveries.get("d-2")
    assert copy is not None
    assert (copy.status, copy.reason) == (
        DeliveryStatus.IGNORED,
        "the same body was received before, as delivery d-1",
    )


def test_within_one_batch_too(ledger: Ledger) -> None:
    batch = [arrived("d-1", digest="x"), arrived("d-1", digest="x"), arrived("d-2", digest="x")]
    assert ledger.deliveries.take_in(batch, at(0)) == ["stored", "repeated", "copied"]


def test_what_starts_nothing_is_known_at_once(ledger: Ledger) -> None:
    row = taken(ledger, "d-1", refusal="the event star starts nothing")
    assert (row.status, row.reason) == (DeliveryStatus.IGNORED, "the event star starts nothing")
    assert ledger.deliveries.waiting(at(9)) == []


def test_hostile_text_is_kept_as_far_as_it_can_be(ledger: Ledger) -> None:
    row = taken(ledger, "d-1", ref="refs/heads/a\0b", facts='"\udc00"'.encode("utf-8", "replace").decode())
    assert row.ref == "refs/heads/a\ufffdb"


def test_a_delivery_is_decided_once(ledger: Ledger) -> None:
    row = taken(ledger, "d-1")
    assert ledger.deliveries.decide(row, [start("staging"), start()], "push to main", now=at(1))
    assert not ledger.deliveries.decide(row, [start("staging")], "again", now=at(2))
    accepted = ledger.deliveries.get("d-1")
    assert accepted is not None
    assert (accepted.status, accepted.reason) == (DeliveryStatus.ACCEPTED, "push to main")
    pending = ledger.starts.pending()
    assert ledger.starts.pending([(REPOSITORY, "staging")]) == pending[1:]
    assert ledger.starts.pending(limit=1) == pending[:1]
    assert ledger.starts.pending_of(REPOSITORY, ["main"]) == []
    assert [one.key for one in pending] == ["d-1:promote/staging", "d-1:promote/prod"]
    assert pending[1].start == start()
    assert ledger.starts.of([row.id]) == pending


def test_it_ends_when_all_its_starts_have_ended(ledger: Ledger) -> None:
    row = taken(ledger, "d-1")
    ledger.deliveries.decide(row, [start("staging"), start()], "push to main", now=at(1))
    staging, prod = ledger.starts.pending()
    ledger.starts.started(staging, "run-1", at(2))
    assert ledger.deliveries.counts() == {DeliveryStatus.ACCEPTED: 1}
    ledger.starts.put_off(prod, "Prefect does not answer", at(9), at(3))
    (again,) = ledger.starts.pending()
    assert (again.attempts, again.reason, again.next_try_at) == (1, "Prefect does not answer", at(9))
    ledger.starts.started(prod, "run-2", at(4))
    assert ledger.deliveries.counts() == {DeliveryStatus.STARTED: 1}
    assert [one.flow_run_id for one in ledger.starts.of([row.id])] == ["run-1", "run-2"]
    assert ledger.starts.latest_commits(REPOSITORY) == {"staging": "a" * 40, PROD: "a" * 40}


def test_a_refused_start_is_told(ledger: Ledger) -> None:
    row = taken(ledger, "d-1")
    ledger.deliveries.decide(row, [start()], "push to main", now=at(1))
    ledger.starts.failed(ledger.starts.pending()[0], "no deployment promote/prod", at(2))
    failed = ledger.deliveries.get("d-1")
    assert failed is not None
    assert (failed.status, failed.reason) == (DeliveryStatus.FAILED, "no deployment promote/prod")
    assert ledger.starts.latest_commits(REPOSITORY) == {}


def test_a_newer_push_takes_the_place_of_a_pending_one_only(ledger: Ledger) -> None:
    first, second = taken(ledger, "d-1"), taken(ledger, "d-2")
    ledger.deliveries.decide(first, [start("staging", branch="main"), start()], "push", now=at(1))
    staging, prod = ledger.starts.pending()
    ledger.starts.started(prod, "run-1", at(2))
    superseded = [staging.id, prod.id]
    ledger.deliveries.decide(second, [start("staging")], "push", superseded=superseded, now=at(3))
    assert [one.status for one in ledger.starts.of([first.id])] == [StartStatus.FOLDED, StartStatus.STARTED]
    assert [one.delivery_id for one in ledger.starts.pending()] == [second.id]
    after = ledger.deliveries.get("d-1")
    assert after is not None
    assert (after.status, after.reason) == (DeliveryStatus.STARTED, "superseded by delivery d-2")


def test_a_delivery_that_is_put_off_waits(ledger: Ledger) -> None:
    row = taken(ledger, "d-1")
    ledger.deliveries.put_off([row.id], "the repository does not answer", at(60), at(1))
    assert ledger.deliveries.waiting(at(59)) == []
    assert ledger.deliveries.waiting(at(60), [REPOSITORY]) == []
    (again,) = ledger.deliveries.waiting(at(60))
    assert (again.attempts, again.reason, again.next_try_at) == (1, "the repository does not answer", at(60))


def test_a_replay_is_a_run_of_its_own(ledger: Ledger) -> None:
    row = taken(ledger, "d-1")
    with pytest.raises(TerminalError, match="is already being handled"):
        ledger.deliveries.replay("d-1", at(1))
    with pytest.raises(TerminalError, match="has no delivery d-9"):
        ledger.deliveries.replay("d-9", at(1))
    ledger.deliveries.decide(row, [], "nothing", now=at(1))
    again = ledger.deliveries.replay("d-1", at(2))
    assert (again.status, again.replays) == (DeliveryStatus.RECEIVED, 1)
    ledger.deliveries.decide(again, [start()], "push", now=at(3))
    assert [one.key for one in ledger.starts.pending()] == ["d-1:promote/prod:replay-1"]


def test_what_is_known_of_commits_refs_and_pull_requests(ledger: Ledger) -> None:
    taken(ledger, "d-1", sha="1" * 40)
    newer = taken(ledger, "d-2", sha="2" * 40)
    taken(ledger, "d-3", event="pull_request", number=7, ref="refs/heads/x", sha="3" * 40)
    request = taken(ledger, "d-4", event="pull_request", number=7, sha="2" * 40)
    taken(ledger, "d-5", ref="refs/tags/v1", sha="1" * 40, event="missed")
    assert ledger.deliveries.pushes_of(REPOSITORY, "2" * 40) == [newer]
    assert ledger.deliveries.pull_request(REPOSITORY, 7) == request
    merge = taken(ledger, "d-6", event="pull_request", action="closed", number=8, sha="2" * 40)
    assert ledger.deliveries.merges_of(REPOSITORY, "2" * 40) == [merge]
    assert ledger.deliveries.pull_request(REPOSITORY, 9) is None
    assert ledger.deliveries.known_refs(REPOSITORY) == {"refs/heads/main": "2" * 40, "refs/tags/v1": "1" * 40}
    assert ledger.deliveries.known_refs("acme/blog") == {}


def test_many_receivers_at_once_store_each_delivery_once(shared: tuple[str, Ledger]) -> None:
    url, ledger = shared
    answers: list[str] = []

    def receive() -> None:
        with Ledger.open(url) as own:
            for number in range(10):
                answers.extend(own.deliveries.take_in([arrived(f"d-{number}")], at(number)))

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == ["repeated"] * 30 + ["stored"] * 10
    assert len(ledger.deliveries.newest(99)) == 10
