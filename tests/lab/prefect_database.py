"""An empty database of Prefect's server, made once for each of its versions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import prefect

from deployments.control_plane.environment import control_plane_environment
from tests.lab.locks import locked
from tests.lab.ports import free_port
from tests.lab.settings import Settings
from tests.lab.shell import run

_URL = "PREFECT_API_DATABASE_CONNECTION_URL"


def lay_database(home: Path) -> None:
    """Put an empty database where Prefect's server looks for it, as its own first start would make it.

    Its hundred migrations take a server longer than all the rest of its start. Tests of the first start itself do
    without this.

    Args:
        home: Sluice's home folder, in which no server was started yet. One that keeps its data elsewhere is left alone.
    """
    if _URL in os.environ:
        return
    folder = Settings().cache / "prefect"
    kept = folder / f"{prefect.__version__}.db"
    with locked(folder):
        if not kept.exists():
            _make(kept)
    database = home / "prefect" / "prefect.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, database)


def _make(kept: Path) -> None:
    part = kept.with_suffix(".part")
    part.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="sluice-prefect-") as folder:
        env = control_plane_environment(Path(folder), free_port(), os.environ)
        run((sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"), env=env)
        # The write-ahead log beside it belongs to it; this brings both into one file.
        with closing(sqlite3.connect(Path(folder) / "prefect" / "prefect.db")) as made:
            made.execute("vacuum into ?", (str(part),))
    part.replace(kept)
