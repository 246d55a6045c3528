"""What was asked for, and the gates that the ledger answers, without git, GitHub or a host."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from blocks.pipeline import Policy, load_pipeline
from blocks.values.facts import HostFacts
from flows.gates import ask
from flows.gates.ask import ask_gates, known_release, resolve_request, unbuilt_release
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.ledger.store import Ledger
from tests.tasks.ledger.samples import bring, make_commit, make_release

PIPELINE = load_pipeline(
    """
pipeline: shop
environments:
  staging: {hosts: staging, branches: main}
  prod: {hosts: prod, tags: "v*", proven_in: staging}
  lab: {hosts: lab, tags: "*"}
""",
    "pipeline.yaml",
)


@pytest.fixture
def session(ledger: Ledger) -> Any:
    return SimpleNamespace(
        ledger=ledger, mirror=None, repository=SimpleNamespace(pipeline_path=""), policy_text=""
    )


@pytest.fixture
def sought(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The refs that git is asked for."""
    asked: list[str] = []
    monkeypatch.setattr(ask, "resolve", lambda _, *, ref, **__: asked.append(ref))
    return asked


def policy(name: str) -> Policy:
    return PIPELINE.policy(name)


def resolved(**changes: Any) -> Any:
    commit = make_commit("v1")
    values: dict[str, Any] = {
        "kind": "tag",
        "name": "v1",
        "commit": commit,
        "tags_at_commit": ("v1",),
        "branches_containing": ("main",),
        "tree": "0" * 64,
    }
    return SimpleNamespace(**(values | changes))


def test_what_is_named_is_looked_for_and_a_release_by_its_commit(
    session: Any, ledger: Ledger, sought: list[str]
) -> None:
    release = ledger.releases.record(make_release("v1"))
    resolve_request(session, policy("prod"), " v1 ")
    resolve_request(session, policy("prod"), release.id)
    assert sought == ["v1", release.commit.sha]


def test_by_default_an_environment_takes_its_branch_or_what_is_proven(
    session: Any, ledger: Ledger, sought: list[str]
) -> None:
    resolve_request(session, policy("staging"), "")
    with pytest.raises(RefusedError, match="nothing runs in staging that could be promoted to prod"):
        resolve_request(session, policy("prod"), "")
    bring(ledger, "v1", environment="staging")
    resolve_request(session, policy("prod"), "")
    assert sought == ["main", make_release("v1").commit.sha]
    with pytest.raises(RefusedError, match="no ref was given, and lab has no branch of its own"):
        resolve_request(session, policy("lab"), "")


def test_a_release_is_known_once_it_was_built(session: Any, ledger: Ledger) -> None:
    assert known_release(session, policy("prod"), resolved()) is None
    release = ledger.releases.record(make_release("v1"))
    assert known_release(session, policy("prod"), resolved()) == release
    assert unbuilt_release(policy("prod"), resolved()).commit == release.commit


def closed(session: Any, **more: Any) -> list[str]:
    answers = ask_gates(session, policy("prod"), resolved(), make_release("v1"), **more)
    return [one.gate for one in answers if not one.passed]


def test_what_did_not_run_before_does_not_come_in(session: Any, ledger: Ledger) -> None:
    assert closed(session) == ["proven"]
    bring(ledger, "v1", environment="staging")
    assert closed(session) == []


@pytest.mark.parametrize(("place", "gate"), [("staging", "proven"), ("prod", "hold")])
def test_what_is_on_hold_here_or_before_does_not_come_in(
    session: Any, ledger: Ledger, place: str, gate: str
) -> None:
    bring(ledger, "v1", environment="staging")
    ledger.holds.add("shop", place, make_release("v1").id, "it was slow", "ana", utc_now())
    assert closed(session) == [gate]


def test_keys_are_asked_about_where_hosts_and_commit_are_known(session: Any, ledger: Ledger) -> None:
    bring(ledger, "v1", environment="staging")
    described: Any = SimpleNamespace(required=("STRIPE_KEY",), env_files=(".env",))
    has = HostFacts(host="prod", manifest=None, env_file=".env", env_keys=("STRIPE_KEY",))
    lacks = has.model_copy(update={"env_keys": ()})
    without = has.model_copy(update={"env_file": None})
    assert closed(session, described=described, hosts={"prod": has}) == []
    assert closed(session, described=described, hosts={"prod": lacks}) == ["keys"]
    assert closed(session, described=described, hosts={"prod": without}) == ["keys"]
    nothing: Any = SimpleNamespace(required=(), env_files=())
    assert closed(session, described=nothing, hosts={"prod": without}) == []
