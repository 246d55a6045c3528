"""The rescue files on the control machine: written while all is well, read when nothing else answers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from blocks.rescue import Rescue
from tasks.kernel.errors import TerminalError

_FOLDER = "offline"


def rescue_file(home: Path, pipeline: str, environment: str) -> Path:
    """Return the file an environment's rescue is kept in."""
    return home / _FOLDER / pipeline / f"{environment}.json"


def write_rescue(home: Path, rescue: Rescue) -> Path:
    """Put an environment's rescue down, whole or not at all, for this login's eyes alone."""
    path = rescue_file(home, rescue.pipeline, rescue.environment)
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    # Made with 0600 from the start: a key must not be readable even for a moment.
    number, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w") as out:
            out.write(rescue.to_json())
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return path


def read_rescue(home: Path, environment: str, pipeline: str | None = None) -> Rescue:
    """Read an environment's rescue.

    Args:
        pipeline: The pipeline's name; None where one pipeline alone has such an environment.

    Raises:
        TerminalError: There is none, there are several, or it cannot be read.
    """
    known = sorted((home / _FOLDER).glob("*/*.json"))
    found = [path for path in known if path.stem == environment and pipeline in {None, path.parent.name}]
    if len(found) > 1:
        names = ", ".join(path.parent.name for path in found)
        raise TerminalError(f"{environment} is an environment of {names}", "name one of them with --pipeline")
    if not found:
        names = ", ".join(f"{path.parent.name}/{path.stem}" for path in known) or "nothing"
        raise TerminalError(
            f"nothing in {home / _FOLDER} says how {environment} is reached (known: {names})",
            "each promotion and `reconcile` write it; run this on the worker's machine, with its SLUICE_HOME",
        )
    return _read(found[0])


def _read(path: Path) -> Rescue:
    try:
        return Rescue.from_json(path.read_bytes())
    except OSError as error:
        raise TerminalError(
            f"{path} cannot be read: {error.strerror}", "run this as the worker's login"
        ) from None
    except ValidationError:
        raise TerminalError(
            f"{path} is from another version of Sluice", "run this with the version the worker has"
        ) from None
