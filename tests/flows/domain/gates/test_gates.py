"""The gates: all are asked, each says why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.lifecycle import Status
from blocks.values.plans import GateAnswer
from flows.domain.gates.gates import (
    GateFacts,
    HeldRelease,
    HostKeys,
    PromotionFact,
    evaluate,
    keys_complete,
    refusal,
    same_release,
)
from flows.domain.words.refs import RefFacts, RefPolicy
from tests.flows.domain.samples import SHA, commit, image, release

RELEASE = release()


def proof(**changes: Any) -> PromotionFact:
    values = {
        "environment": "staging",
        "status": Status.SUCCEEDED,
        "release_id": RELEASE.id,
        "digests": RELEASE.digests,
    }
    return PromotionFact(**(values | changes))


def facts(**changes: Any) -> GateFacts:
    values: dict[str, Any] = {
        "environment": "prod",
        "release": RELEASE,
        "ref": RefFacts(kind="tag", name="v1", sha=SHA),
        "refs": RefPolicy(tags=("v*",)),
        "proven_in": "staging",
        "promotions": (proof(),),
    }
    return GateFacts(**(values | changes))


def answers(given_facts: GateFacts) -> dict[str, GateAnswer]:
    return {answer.gate: answer for answer in evaluate(given_facts)}


def test_a_release_with_every_proof_passes_every_gate() -> None:
    found = evaluate(
        facts(
            required_keys=("A", "B"),
            host_keys=(HostKeys(host="prod-1", env_file=".env.prod", present=frozenset({"A", "B", "C"})),),
        )
    )
    assert [answer.gate for answer in found] == ["ref", "proven", "hold", "keys"]
    assert refusal(found, "prod") is None


def test_every_gate_answers_also_after_one_said_no() -> None:
    found = evaluate(
        facts(
            ref=RefFacts(kind="branch", name="main", sha=SHA),
            promotions=(),
            holds=(HeldRelease(environment="prod", release_id=RELEASE.id, reason="orders lost"),),
            required_keys=("A", "B"),
            host_keys=(
                HostKeys(host="prod-1", env_file=".env.prod", present=frozenset({"A"})),
                HostKeys(host="prod-2", env_file=".env.prod", present=None),
            ),
        )
    )
    assert [answer.passed for answer in found] == [False] * 5
    error = refusal(found, "prod")
    assert error is not None
    assert str(error) == (
        "prod is closed for this release: branch main is not allowed in prod: allowed are tags v*; "
        f"{RELEASE.id} has not succeeded in staging with these images: promote it there first; "
        f"{RELEASE.id} is on hold in prod (orders lost): `sluice unhold prod --reason …` removes the hold; "
        ".env.prod on prod-1 lacks B: add them; .env.prod on prod-2 is missing: create it there"
        " — nothing was touched"
    )


def test_gates_that_do_not_apply_are_not_asked() -> None:
    assert list(answers(facts(refs=None, proven_in=None))) == ["hold"]


@pytest.mark.parametrize("status", list(Status))
def test_only_success_proves(status: Status) -> None:
    found = answers(facts(promotions=(proof(status=status),)))["proven"]
    assert found.passed is (status in {Status.SUCCEEDED, Status.UNCHANGED})


@pytest.mark.parametrize(
    "promotion",
    [
        proof(environment="feature"),
        proof(digests=RELEASE.digests | {"backend": "sha256:" + "f" * 64}),
        proof(digests={"backend": RELEASE.digests["backend"]}),
        proof(digests={}),
    ],
)
def test_what_does_not_prove(promotion: PromotionFact) -> None:
    assert not answers(facts(promotions=(promotion,)))["proven"].passed


def test_equal_digests_prove_whatever_the_release_is_called() -> None:
    assert answers(facts(promotions=(proof(release_id="another"),)))["proven"].passed


@pytest.mark.parametrize(("proven", "passed"), [(RELEASE.id, True), ("another", False)])
def test_a_release_without_images_is_proven_by_its_name(proven: str, passed: bool) -> None:
    bare = release(images=())
    found = answers(facts(release=bare, promotions=(proof(release_id=proven, digests={}),)))
    assert found["proven"].passed is passed


def test_a_release_taken_back_upstream_is_not_proven() -> None:
    hold = HeldRelease(environment="staging", release_id=RELEASE.id, reason="slow")
    found = answers(facts(holds=(hold,)))
    assert found["proven"].reason == f"{RELEASE.id} was rolled back in staging: slow"
    assert not found["proven"].passed
    assert found["hold"].passed


def test_another_releases_hold_does_not_matter() -> None:
    assert answers(facts(holds=(HeldRelease(environment="prod", release_id="another"),)))["hold"].passed


def test_a_hold_without_a_reason_says_what_it_is() -> None:
    found = answers(facts(holds=(HeldRelease(environment="prod", release_id=RELEASE.id),)))["hold"]
    assert "(it was rolled back)" in found.reason


KEYS = st.frozensets(st.sampled_from("ABCDEF"))


@given(KEYS, KEYS)
def test_keys_pass_exactly_when_all_are_there(required: frozenset[str], present: frozenset[str]) -> None:
    host = HostKeys(host="h", env_file=".env", present=present)
    answer = keys_complete(tuple(required), host)
    assert answer.passed is (required <= present)
    for key in required - present:
        assert key in answer.reason.partition("lacks ")[2].partition(":")[0]


def test_a_release_is_the_running_one_when_nothing_differs() -> None:
    assert same_release(RELEASE, release())
    assert not same_release(None, RELEASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "another"},
        {"commit": commit("b" * 40)},
        {"images": (image(digest="c"), image("frontend", "b"))},
        {"images": (image(),)},
        {"third_party": {"db": "postgres:18"}},
        {"bundle_checksum": "x"},
    ],
)
def test_any_difference_is_a_change(changes: dict[str, Any]) -> None:
    assert not same_release(release(**changes), RELEASE)
