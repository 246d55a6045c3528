"""PURE: whether a path leads out of a folder."""

from __future__ import annotations

import posixpath


def leads_out(path: str) -> bool:
    """Say whether a normalised path leads out of the folder that it starts from."""
    return path.startswith(("/", "../")) or path == ".."


def within(path: str, folder: str) -> str | None:
    """Return a path relative to an absolute folder, None where it is outside."""
    inside = posixpath.relpath(posixpath.join(folder, path), folder)
    return None if leads_out(inside) else inside
