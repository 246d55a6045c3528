"""The day on which nothing of the control plane answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.scene import Scene


@contextmanager
def everything_down(scene: Scene) -> Iterator[dict[str, str]]:
    """Take the ledger away, and give an environment in which Prefect's server does not answer."""
    files = [path for path in scene.home.glob("ledger.db*") if path.is_file()]
    for path in files:
        path.rename(path.with_name(f"gone-{path.name}"))
    try:
        yield {
            **os.environ,
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "PREFECT_HOME": str(scene.home / "no-prefect"),
            "SLUICE_LEDGER_URL": "postgresql+psycopg://nobody@127.0.0.1:9/gone",
        }
    finally:
        for path in files:
            path.with_name(f"gone-{path.name}").rename(path)
