"""The entry of a version in a changelog, in the layout of keepachangelog.com."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from semver import Version

from flows.domain.gates.versions import version_of

_HEADING = re.compile(r"##\s+(?P<open>\[?)(?P<name>[^\]\s]+)")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
# The addresses of headings, which stand at the end of a changelog.
_REFERENCE = re.compile(r"\[[^\]]+\]:\s*\S+")
_NEW = "# Changelog\n"
# Branches with this before them hold nothing but an entry: no push of one starts a run.
CHANGELOG = "sluice/changelog-"


def branch_of(tag: str) -> str:
    """Return the branch a version's entry is prepared on."""
    return f"{CHANGELOG}{tag}"


def with_entry(text: str, version: Version, at: datetime, changes: Sequence[str]) -> str | None:
    """Put a version's entry into a changelog.

    It goes before the newest version's, below what is headed `Unreleased`, which stays as people wrote it.

    Returns:
        The new text; None where the version has its entry already.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = (text or _NEW).replace("\r\n", "\n").rstrip("\n").split("\n")
    headings = _headings(lines)
    if any(version_of(name) == version for _, _, name in headings):
        return None
    versions = [one for one in headings if version_of(one[2]) is not None]
    entry = [_title(version, at, versions), "", *changes]
    place = versions[0][0] if versions else _end(lines)
    before, after = _trimmed(lines[:place]), lines[place:]
    while after and not after[0].strip():
        after.pop(0)
    new = [*before, "", *entry, *(["", *after] if after else [])]
    return newline.join(new) + newline


def _headings(lines: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return the headings of the second level as (line, bracket, name); those inside of code are none."""
    found: list[tuple[int, str, str]] = []
    fenced = False
    for number, line in enumerate(lines):
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is not None:
            found.append((number, heading["open"], heading["name"]))
    return found


def _title(version: Version, at: datetime, versions: Sequence[tuple[int, str, str]]) -> str:
    """Write the heading the way the newest one is written."""
    _, bracket, name = versions[0] if versions else (0, "[", "")
    text = f"{'v' if name.startswith('v') else ''}{version}"
    return f"## {f'[{text}]' if bracket else text} - {at:%Y-%m-%d}"


def _end(lines: Sequence[str]) -> int:
    """Return where a first version goes: at the end, before the addresses that close the file."""
    place = len(lines)
    while place and (not lines[place - 1].strip() or _REFERENCE.match(lines[place - 1])):
        place -= 1
    return place


def _trimmed(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept
