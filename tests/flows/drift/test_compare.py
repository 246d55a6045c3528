"""An environment compared with the ledger: what is new, what is gone, and when nobody judges."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from blocks.pipeline import load_pipeline
from blocks.values.drift import Difference, HostState
from blocks.values.facts import HostFacts
from blocks.values.manifests import Manifest
from flows.drift import compare as comparison
from flows.drift.compare import Compared, compare, record_differences
from flows.drift.reach_hosts import current_releases, look_at
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import TerminalError, TransientError
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import bring, make_release, open_promotion

POLICY = load_pipeline(
    'pipeline: shop\nenvironments:\n  prod: {hosts: [prod, other], tags: "*"}\n', "pipeline.yaml"
).policy("prod")


class Place:
    """An environment with two hosts that run what the ledger says, unless a test says otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.release = make_release("v1")
        self.states: dict[str, Any] = {}
        self.told: list[str] = []
        self.session: Any = SimpleNamespace(ledger=ledger)
        self.while_read: Callable[[], None] = lambda: None

    def submit(self, _: object, *, host: str) -> Any:
        def result() -> HostState:
            self.while_read()
            found = self.states.get(host, self.state(host))
            if isinstance(found, Exception):
                raise found
            return found  # type: ignore[no-any-return]

        return SimpleNamespace(result=result)

    def state(self, host: str, release: Any = None) -> HostState:
        manifest = Manifest(
            release=release or self.release,
            environment="prod",
            promotion_id=1,
            previous_release_id=None,
            compose_files=("compose.yaml",),
            staged_at=utc_now(),
        )
        return HostState(facts=HostFacts(host=host, manifest=manifest, env_file=".env"))

    def compare(self, *hosts: str, amiss: dict[str, str] | None = None, calls: Any = ()) -> Compared:
        looks: dict[str, Any] = dict.fromkeys(hosts or ("prod", "other"))
        return compare(self.session, POLICY, looks, amiss or {}, calls)


@pytest.fixture
def place(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(ledger)
    bring(ledger, "v1")
    monkeypatch.setattr(comparison, "read_state", made)
    monkeypatch.setattr(comparison, "_required", lambda *_: ())
    monkeypatch.setattr(comparison, "tell", lambda _, text, *__: made.told.append(text.splitlines()[0]))
    return made


def test_what_agrees_is_no_difference(place: Place) -> None:
    assert place.compare() == Compared()
    assert place.told == []


def test_what_is_new_is_told_once_and_what_is_gone_again(place: Place) -> None:
    place.states["other"] = place.state("other", make_release("v2"))
    first = place.compare()
    assert [(one.host, one.kind) for one in first.new] == [("other", "release")]
    again = place.compare()
    assert (again.new, again.gone, len(again.standing)) == ((), (), 1)
    place.states.clear()
    after = place.compare()
    assert [(one.host, one.kind) for one in after.gone] == [("other", "release")]
    assert place.told == [
        "Differs from the ledger: shop prod, 1 standing",
        "As the ledger says again: shop prod, 0 standing",
    ]


def test_what_stands_on_a_host_that_does_not_answer_goes_on_standing(place: Place) -> None:
    place.states["other"] = place.state("other", make_release("v2"))
    place.compare()
    found = place.compare("prod", amiss={"other": "it does not answer"})
    assert sorted(one.kind for one in found.standing) == ["release", "unreachable"]
    place.states["other"] = TransientError("other does not answer", "try again")
    assert sorted(one.kind for one in place.compare().standing) == ["release", "unreachable"]


def test_while_a_promotion_changes_it_no_host_is_judged(place: Place) -> None:
    row = open_promotion(place.ledger)
    place.ledger.leases.acquire("shop", "prod", row.id, 60, utc_now())
    place.states["prod"] = place.state("prod", make_release("v2"))
    call = Difference("", "promotion", "7", "a person has to look")
    found = place.compare(calls=[call])
    assert found.skipped == f"promotion {row.id} is changing it"
    assert [one.kind for one in found.standing] == ["promotion"]


def test_what_changed_while_it_was_read_is_not_judged(place: Place) -> None:
    row = open_promotion(place.ledger)
    place.states["prod"] = place.state("prod", make_release("v2"))
    place.while_read = lambda: _take_and_release(place.ledger, row.id)
    found = place.compare()
    assert found.skipped == "it changed while its hosts were read"
    assert found.standing == ()


def _take_and_release(ledger: Ledger, row: int) -> None:
    ledger.leases.release(ledger.leases.acquire("shop", "prod", row, 60, utc_now()), utc_now())


def test_details_are_bounded_and_recorded_with_their_place(place: Place) -> None:
    long = Difference("prod", "image", "web", "x" * 5000)
    found = record_differences(place.session, "shop", "prod", [long], ["prod"])
    assert [len(one.detail) for one in found.standing] == [1000]


def test_each_host_is_reached_for_itself_and_once_more_where_that_may_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def run(_: int, policy: Any, __: object) -> Any:
        (host,) = policy.hosts
        tried.append(host)
        if host == "prod" and tried.count("prod") == 1:
            raise TransientError("prod does not answer", "try again")
        if host == "other":
            raise TerminalError("other has another key", "look at it")
        return policy

    session: Any = SimpleNamespace(run=run, pipeline=SimpleNamespace(describe=lambda _: None))
    looks, amiss = look_at(session, POLICY)
    assert tried == ["prod", "prod", "other"]
    assert (list(looks), amiss) == (["prod"], {"other": "other has another key"})


def test_what_hosts_say_is_current(place: Place) -> None:
    manifests = {"prod": place.state("prod").facts.manifest, "other": None}
    one: Any = SimpleNamespace(target=lambda host: SimpleNamespace(read_manifest=lambda: manifests[host]))
    found = current_releases({"prod": one, "other": one})
    assert found == {"prod": place.release.id, "other": None}
