"""What the stories of flows on real servers do and ask again and again."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.drift.flow import reconcile
from flows.promotion.flow import promote
from tests.lab.scene import Scene


def attempt(environment: str = "feature", ref: str = "") -> tuple[str, str]:
    """Promote, and return how it ended: the state's name and its message."""
    state: State[Any] = promote(environment, ref=ref, requested_by="cleo", return_state=True)
    return str(state.name), state.message or ""


def reconciled() -> str:
    """Compare feature with what the ledger says; return what was found."""
    state: State[Any] = reconcile("feature", return_state=True)
    assert state.name == "Completed", state.message
    return state.message or ""


def query(scene: Scene, sql: str) -> list[str]:
    """Ask the database of feature; return the words of what it answers."""
    argv = ("docker", "exec", "shop-db-1", "psql", "-U", "shop", "-tAc", sql)
    return scene.lab.servers["feature"].run(argv).stdout.split()
