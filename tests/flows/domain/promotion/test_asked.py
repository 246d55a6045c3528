"""A run that asks for something else than it was started for, whatever it is."""

from __future__ import annotations

import inspect
import json
import shlex
from typing import Any

import pytest
from prefect import Flow

from blocks.values.asked import AskedFor, Parameter, RepositoryFacts
from blocks.values.lifecycle import ACTIVE, ENDED, Kind, Status
from flows.domain.promotion.asked import (
    belongs,
    changed_text,
    changes_of,
    differences,
    repository_changes,
    what_to_do,
)
from flows.promotion.flow import promote
from flows.promotion.redeploy import redeploy
from flows.rollback.flow import rollback
from flows.runs import conduct
from tasks.ledger.records import PromotionRecord
from tests.tasks.ledger.samples import START

WHERE = RepositoryFacts(
    url="https://github.com/acme/shop", default_branch="main", pipeline_path="pipeline.yaml"
)
FLOWS: dict[Kind, Flow[..., Any]] = {Kind.PROMOTE: promote, Kind.ROLLBACK: rollback, Kind.REDEPLOY: redeploy}
OTHER: dict[type, Parameter] = {str: "evil", bool: True}


def record(kind: Kind, **changes: Any) -> PromotionRecord:
    values: dict[str, Any] = {
        "id": 7,
        "pipeline": "shop",
        "environment": "prod",
        "kind": kind,
        "ref": "v1",
        "release_id": None,
        "previous_release_id": None,
        "status": Status.WAITING,
        "flow_run_id": "run-1",
        "requested_by": "cleo",
        "cause": "",
        "message": "",
        "plan": None,
        "plan_hash": None,
        "created_at": START,
        "updated_at": START,
        "started_at": None,
        "ended_at": None,
    }
    return PromotionRecord.model_validate(values | changes)


def requested(kind: Kind, monkeypatch: pytest.MonkeyPatch, **given: Parameter) -> conduct.Request:
    """Call a flow's own code, and return what it asks for."""
    found: list[conduct.Request] = []
    module = inspect.getmodule(FLOWS[kind].fn)
    with monkeypatch.context() as patched:
        patched.setattr(module, "conduct", lambda request, _: found.append(request))
        FLOWS[kind].fn("prod", **given)
    return found[0]


EVERY = [(kind, name) for kind, one in FLOWS.items() for name in inspect.signature(one.fn).parameters]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[f"{kind}-{name}" for kind, name in EVERY])
def test_every_parameter_of_every_flow_is_compared(
    kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = requested(kind, monkeypatch)
    assert set(request.parameters) == set(inspect.signature(FLOWS[kind].fn).parameters)
    row = record(kind, asked=AskedFor(parameters=dict(request.parameters), repository=WHERE))
    assert changes_of(row, kind, request.parameters) == ()
    first = request.parameters[name]
    changed = {**request.parameters, name: OTHER[type(first)]}
    (change,) = changes_of(row, kind, changed)
    assert (change.name, change.first, change.now) == (name, first, OTHER[type(first)])
    # And back: what was asked for cannot be taken away either.
    (back,) = changes_of(
        row.model_copy(update={"asked": AskedFor(parameters=changed, repository=WHERE)}),
        kind,
        request.parameters,
    )
    assert (back.name, back.now) == (name, first)


def test_what_is_left_out_is_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = requested(Kind.ROLLBACK, monkeypatch, release="", source="default", undo=False)
    assert spoken.parameters == requested(Kind.ROLLBACK, monkeypatch).parameters


@pytest.mark.parametrize("other", [kind for kind in Kind if kind is not Kind.PROMOTE])
def test_a_run_of_another_flow_does_not_go_on(other: Kind) -> None:
    (change,) = changes_of(record(Kind.PROMOTE), other, {})
    assert change.text == f"`flow` was promote and is {other.value} now"


def test_another_version_knows_other_parameters() -> None:
    assert differences({"ref": "v1"}, {"ref": "v1", "new": "", "flag": False}) == ()
    assert differences({"ref": "v1", "old": ""}, {"ref": "v1"}) == ()
    assert [one.name for one in differences({"ref": "v1", "old": "x"}, {"ref": "v1", "flag": True})] == [
        "flag",
        "old",
    ]
    # Numbers and booleans are not mistaken for each other.
    assert [one.name for one in differences({"minutes": 1}, {"minutes": True})] == ["minutes"]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (Kind.PROMOTE, {"environment": "prod", "ref": "v1", "requested_by": "cleo", "override": "x"}),
        (Kind.ROLLBACK, {"environment": "prod", "release": "v1", "requested_by": "cleo", "reason": ""}),
        (Kind.REDEPLOY, {"environment": "prod", "requested_by": "cleo"}),
    ],
)
def test_of_a_row_from_before_what_it_knows_is_compared(kind: Kind, parameters: dict[str, Parameter]) -> None:
    row = record(kind)
    assert changes_of(row, kind, {**parameters, "source": "default"}) == ()
    for name in parameters.keys() - {"override"}:
        assert [one.name for one in changes_of(row, kind, {**parameters, name: "evil"})] == [name]


@pytest.mark.parametrize("name", ["url", "default_branch", "pipeline_path", "github"])
def test_a_block_that_leads_elsewhere_is_another_repository(name: str) -> None:
    first = AskedFor(parameters={"source": "default"}, repository=WHERE)
    now = WHERE.model_copy(update={name: "evil"})
    assert repository_changes(first, WHERE) == ()
    assert [one.name for one in repository_changes(first, now)] == [name]
    # A github block that was named later makes no other application of it.
    assert belongs(first, WHERE)
    assert belongs(first, now) is (name == "github")


def test_nobody_knows_where_a_row_from_before_came_from() -> None:
    assert repository_changes(None, WHERE) == ()
    assert belongs(None, WHERE)


def test_the_line_names_what_was_and_what_is() -> None:
    changes = differences({"ref": "", "undo": False}, {"ref": "v9\n\x1b[31m" + "x" * 500, "undo": True})
    text = changed_text(changes, "this run's parameters were")
    assert text.startswith(
        "this run's parameters were changed after its first start, and nothing of that was used: `ref` was empty and "
        "is v9 "
    )
    assert text.endswith("; `undo` was false and is true now")
    assert "\x1b" not in text
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.parametrize("status", sorted(Status))
def test_what_to_do_depends_on_whether_anything_was_changed(status: Status) -> None:
    given: dict[str, Parameter] = {"ref": "it's; rm -rf /\n", "undo": False}
    todo = what_to_do(status, "run-1", "prod", given)
    assert ("stays open" in todo) is (status in ACTIVE)
    assert ("its promotion had ended" in todo) is (status in ENDED)
    if status not in ACTIVE:
        assert todo.endswith("start a new run with what you want")
        return
    command = todo.partition("(`")[2].partition("`)")[0]
    words = shlex.split(command)
    assert words[:4] == ["prefect", "api", "PATCH", "/flow_runs/run-1"]
    assert json.loads(words[-1]) == {"parameters": given}
    assert "`prefect flow-run retry run-1`" in todo
    assert "`prefect deployment run rollback/prod`" in todo


def test_a_command_that_would_be_cut_is_not_given() -> None:
    todo = what_to_do(Status.RUNNING, "run-1", "prod", {"reason": "x" * 3000})
    assert "put that back as it was and `prefect flow-run retry run-1`" in todo


def test_parameters_are_not_put_back_where_something_else_was_changed() -> None:
    todo = what_to_do(Status.RUNNING, "run-1", "prod")
    assert "put that back as it was and `prefect flow-run retry run-1`" in todo
    assert "PATCH" not in todo
