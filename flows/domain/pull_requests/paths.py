"""Patterns of paths, as GitHub's own workflows have them: `*` stays within a folder, `**` does not.

The patterns of branches let `*` stand for `/` too. For paths that would be too wide: `docs/*.md` must not be a way to
`docs/ops/run.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_PART = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]")
# Within the folders that `**/` stands for: any of their characters, and the `/` that ends them.
_FOLDERS = "folders"


def path_matches(path: str, patterns: Iterable[str]) -> bool:
    """Say whether a path matches one of the patterns, as a whole and with its case.

    Who opens a pull request chooses its paths, so each is gone through once: a regular expression of several `*` would
    go back at each of them.
    """
    return any(_matches(path, _parts(pattern)) for pattern in patterns)


@lru_cache(maxsize=256)
def _parts(pattern: str) -> tuple[str, ...]:
    parts: list[str] = []
    for part in _PART.findall(pattern):
        parts += (part, _FOLDERS) if part == "**/" else (part,)
    return tuple(parts)


def _matches(path: str, parts: tuple[str, ...]) -> bool:
    """Follow all ways to read the pattern at once, character by character."""
    places = _reached({0}, parts)
    for character in path:
        places = _reached({after for at in places for after in _after(at, character, parts)}, parts)
    return len(parts) in places


def _reached(places: set[int], parts: tuple[str, ...]) -> set[int]:
    """Add the places that are reached without a character: `*` and `**` may stand for none."""
    found: set[int] = set()
    rest = list(places)
    while rest:
        at = rest.pop()
        if at not in found:
            found.add(at)
            part = parts[at] if at < len(parts) else ""
            rest += {"**": (at + 1,), "*": (at + 1,), "**/": (at + 1, at + 2)}.get(part, ())
    return found


def _after(at: int, character: str, parts: tuple[str, ...]) -> tuple[int, ...]:
    part = parts[at] if at < len(parts) else ""
    if part == _FOLDERS:
        return (at, at + 1) if character == "/" else (at,)
    if part == "**" or (part == "*" and character != "/"):
        return (at,)
    return (at + 1,) if part == character or (part == "?" and character != "/") else ()
