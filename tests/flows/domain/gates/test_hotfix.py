"""The policy that counts: a hotfix's way, an overridden freeze."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.pipeline import Gates, Policy, load_pipeline
from flows.domain.gates.hotfix import hotfix_answer, is_hotfix, policy_for
from flows.domain.words.refs import RefFacts
from tests.flows.domain.samples import SHA

PIPELINE = """
pipeline: shop
environments:
  staging: {{hosts: staging, branches: main}}
  prod:
    hosts: prod
    tags: v*
    proven_in: staging
    approvals: {{required: 1, approvers: [ana, ben, cleo]}}
    gates:
      checks: test
      reviews: 1
      version: true
      reachable_from: main
      soak: 2h
      freeze: [{{from: fri, until: mon}}]
      override_required: 3
      hotfix: {hotfix}
"""
ALL = "{skips: [proven, soak, freeze, version, reachable], approvals: 2}"


def policy(hotfix: str = ALL) -> Policy:
    return load_pipeline(PIPELINE.format(hotfix=hotfix)).policy("prod")


def ref(kind: Any = "branch", name: str = "hotfix/orders", **changes: Any) -> RefFacts:
    return RefFacts(kind=kind, name=name, sha=SHA, **changes)


def test_what_takes_the_way() -> None:
    given = policy()
    assert is_hotfix(given, ref())
    assert is_hotfix(given, ref("commit", SHA, branches_containing=("hotfix/orders",)))
    assert not is_hotfix(given, ref(name="main"))
    assert not is_hotfix(given, ref("tag", "v1.0.0"))
    # What may enter as usual is no hotfix, wherever else it lies.
    assert not is_hotfix(
        given, ref("commit", SHA, branches_containing=("hotfix/x",), tags_at_commit=("v1.0.0",))
    )
    assert not is_hotfix(policy("null"), ref())


def test_stated_exceptions_and_a_larger_quorum() -> None:
    given = policy()
    found = policy_for(given, ref())
    assert (found.branches, found.tags, found.proven_in) == (("hotfix/*",), (), None)
    assert found.gates == given.gates.model_copy(
        update={"version": False, "reachable_from": None, "soak": 0.0, "freeze": ()}
    )
    assert found.approvals is not None
    assert found.approvals.required == 2
    assert found.checksum != given.checksum
    assert hotfix_answer(found).reason == (
        "a hotfix; not asked: proven, soak, freeze, version, reachable; approvals: 2"
    )


def test_what_is_not_stated_is_asked() -> None:
    given = policy("{approvals: 3}")
    found = policy_for(given, ref())
    assert found.gates == given.gates
    assert found.proven_in == "staging"
    assert hotfix_answer(found).reason == "a hotfix; every gate is asked; approvals: 3"


def test_nothing_soaks_that_need_not_be_proven() -> None:
    found = policy_for(policy("{skips: [proven]}"), ref())
    assert (found.proven_in, found.gates.soak) == (None, 0.0)


def test_the_usual_way_stays_as_it_is() -> None:
    given = policy()
    assert policy_for(given, ref("tag", "v1.0.0")) is given
    assert policy_for(policy("null"), ref()) == policy("null")


@pytest.mark.parametrize(("override", "required"), [("", 1), ("orders lost", 3)])
def test_an_overridden_freeze_takes_more_people(override: str, required: int) -> None:
    found = policy_for(policy(), ref("tag", "v1.0.0"), freeze_override=override)
    assert found.approvals is not None
    assert found.approvals.required == required


def test_where_nobody_is_asked_nobody_is() -> None:
    alone = policy().model_copy(update={"approvals": None})
    assert policy_for(alone, ref(), freeze_override="why").approvals is None
    assert hotfix_answer(alone.model_copy(update={"gates": Gates()})).reason.endswith("approvals: 0")


def test_never_fewer_people_than_usual() -> None:
    given = policy("{approvals: 1}")
    assert given.approvals is not None
    many = given.model_copy(update={"approvals": given.approvals.model_copy(update={"required": 3})})
    found = policy_for(many, ref()).approvals
    assert found is not None
    assert found.required == 3
