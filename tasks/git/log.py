"""What `git log` prints, read: commits, and who wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from blocks.values.releases import Commit
from tasks.git.commands import AUTHOR_FIELDS, COMMIT_FIELDS, MESSAGE_FIELDS, SHA

_MARK = r"[ \t>*-]*co[ -]?author(?:s|ed[ -]by)?[ \t]*:"
# With the lines it goes on in, which begin with a blank, as trailers may.
_CO_AUTHOR = re.compile(
    rf"^{_MARK}([^\n]*(?:\n(?!{_MARK})[ \t]+[^\n]*)*)$", re.IGNORECASE | re.MULTILINE | re.ASCII
)


def commits_of(listed: str) -> list[Commit]:
    """Return the commits in a list."""
    return [_commit(*row) for row in _rows(listed, COMMIT_FIELDS)]


def names_of(wrote: str, messages: str) -> frozenset[str] | None:
    """Return the names and e-mails of authors and co-authors.

    Returns:
        None where they are not all known: a commit has no author, or the beginning of a list is missing.
    """
    authors = list(_rows(wrote, AUTHOR_FIELDS))
    told = list(_rows(messages, MESSAGE_FIELDS))
    known = all(SHA.match(sha) and (_readable(name) or _readable(email)) for sha, name, email in authors)
    if not known or not all(SHA.match(sha) for sha, _ in told):
        return None
    found = {part for _, name, email in authors for part in (name, email)}
    return frozenset(part for part in found | _co_authors(text for _, text in told) if part.strip())


def _readable(part: str) -> bool:
    """Say whether a name or address tells anything: bytes that are no UTF-8 were replaced."""
    return bool(part.strip()) and "\ufffd" not in part


def _co_authors(messages: Iterable[str]) -> set[str]:
    return {name for message in messages for text in _CO_AUTHOR.findall(message) for name in _people(text)}


def _people(text: str) -> Iterable[str]:
    """Return the names, addresses and logins of one line: usually `name <address>`, often several of them."""
    parts = re.split(r"[<>]", text)
    if len(parts) > 1 and len(parts) % 2:
        # What stands behind the last address is no name.
        del parts[-1]
    parts = [piece for part in parts for piece in re.split(r"[()\[\]]", part)]
    parts += [address for part in parts for address in re.split(r"[\s,;]+", part) if "@" in address]
    return (part.strip(" \t\r\n,;&\"'@").removeprefix("and ") for part in parts)


def _rows(listed: str, count: int) -> Iterable[tuple[str, ...]]:
    # Each record begins on a new line, and ends with NUL.
    fields = listed.split("\0")
    rows = zip(*[iter(fields)] * count, strict=False)
    return ((first.strip(), *rest) for first, *rest in rows)


def _commit(sha: str, subject: str, name: str, email: str, committed: str) -> Commit:
    return Commit(
        sha=sha,
        subject=subject,
        author_name=name,
        author_email=email,
        committed_at=datetime.fromisoformat(committed).astimezone(UTC),
    )
