"""Patterns of paths, as GitHub's own workflows have them: `*` stays within a folder, `**` does not.

The patterns of branches let `*` stand for `/` too. For paths that would be too wide: `docs/*.md` must not be a way to
`docs/ops/run.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_PART = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_MEANS = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}


def path_matches(path: str, patterns: Iterable[str]) -> bool:
    """Say whether a path matches one of the patterns, as a whole and with its case.

    Args:
        path: The path, relative to the repository, with `/`.
        patterns: The patterns.

    Returns:
        True for a match.
    """
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    # One line break in a path would else end what `.` stands for.
    return re.compile(
        "".join(_MEANS.get(part, re.escape(part)) for part in _PART.findall(pattern)), re.DOTALL
    )
