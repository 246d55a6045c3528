"""Which version a tag stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from semver import Version

from flows.domain.words.refs import matches

_LONGEST = 200
# What of a pattern is only a name: up to the first digit or wildcard.
_NAME = re.compile(r"[^0-9*?\[]*")


def version_of(tag: str, patterns: Iterable[str]) -> Version | None:
    """Return the version of a tag.

    Args:
        patterns: The patterns that tags must match; what of a pattern is only a name is left off.
    """
    if len(tag) > _LONGEST:
        return None
    for pattern in patterns:
        if not matches(tag, (pattern,)):
            continue
        name = _NAME.match(pattern)
        rest = tag.removeprefix(name[0] if name else "")
        try:
            return Version.parse(rest.removeprefix("v"))
        except ValueError:
            continue
    return None
