"""`sluice plan`: an environment, or the word rollback and the environment that would go back."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.cli import plan as command
from deployments.cli.main import run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was understood, without the planning itself."""
    understood: list[Any] = []
    monkeypatch.setattr("deployments.control_plane.connect.use_prefect", lambda _: None)
    monkeypatch.setattr(
        command, "_plan_promotion", lambda *words, **_: understood.append(("promote", *words))
    )
    monkeypatch.setattr(
        command,
        "_plan_rollback",
        lambda *words, undo, as_json: understood.append(("rollback", *words, undo, as_json)),
    )
    return understood


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        (["prod"], ("promote", "prod", "", "default")),
        (["prod", "v1.0"], ("promote", "prod", "v1.0", "default")),
        (["prod", "--ref", "v1.0"], ("promote", "prod", "v1.0", "default")),
        (["rollback"], ("promote", "rollback", "", "default")),
        (["rollback", "--ref", "v1.0"], ("promote", "rollback", "v1.0", "default")),
        (["rollback", "prod"], ("rollback", "prod", "", "default", False, False)),
        (["rollback", "rollback"], ("rollback", "rollback", "", "default", False, False)),
        (["rollback", "prod", "abc123", "--json"], ("rollback", "prod", "abc123", "default", False, True)),
        (["rollback", "prod", "--undo", "--source", "other"], ("rollback", "prod", "", "other", True, False)),
    ],
)
def test_words(asked: list[Any], words: list[str], understood: tuple[Any, ...]) -> None:
    assert run(["plan", *words]) == 0
    assert asked == [understood]


@pytest.mark.parametrize("words", [["prod", "v1.0", "abc"], ["prod", "--undo"], ["rollback", "--undo"]])
def test_words_that_make_no_sense(asked: list[Any], words: list[str]) -> None:
    assert run(["plan", *words]) == 2
    assert asked == []
