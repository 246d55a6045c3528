"""The SQL of pending migrations, taken apart from what Alembic's offline mode printed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from blocks.values.base import Value
from blocks.values.releases import Revision
from tasks.database.engine.protocols import UnreadableSqlError
from tasks.kernel.text import one_line

if TYPE_CHECKING:
    from tasks.database.engine.protocols import Judge

# `-- Running upgrade a1, b1 -> c1`; Alembic before 0.7 wrote `None` for the base, some versions add `, message`.
_MARKER = re.compile(r"-- Running upgrade [^\n]*? ?-> (?P<id>[\w.-]+)(?:,[^\n]*)?[ \t\r]*\Z")
_MARKER_LINE = re.compile(r"^-- Running upgrade [^\n]*$", re.MULTILINE)
_TRANSACTION = re.compile(r"^(BEGIN|COMMIT);[ \t\r]*$", re.MULTILINE)


class RenderedMigration(Value):
    """One migration's SQL as its tool rendered it.

    Attributes:
        sql: Its SQL; what there is of it where it is not complete.
        complete: True when it rendered to its end.
        why_incomplete: Why it did not, one line; empty when it did.
        in_transaction: True when a transaction is open where its SQL begins.
    """

    revision: str
    message: str = ""
    sql: str
    complete: bool = True
    why_incomplete: str = ""
    in_transaction: bool = False


def split_rendered(
    text: str, revisions: Sequence[Revision], exit_code: int, reason: str, judge: Judge
) -> tuple[RenderedMigration, ...]:
    """Take apart what `alembic upgrade A:head --sql` printed.

    Nothing is trusted that could hide SQL: a marker line counts only as a comment of its own, outside of strings,
    and where one migration's marker occurs twice no migration counts as complete.

    Args:
        revisions: The migrations that were asked for: the pending ones, in order.
        exit_code: Its exit status; anything but 0 means that the output breaks off.

    Returns:
        One for each of the revisions, in the same order.
    """
    wanted = {revision.id: revision for revision in revisions}
    sections = _sections(text, wanted, judge)
    twice = _repeated([name for name, _, _ in sections])
    rendered = {name: (sql, open_) for name, sql, open_ in reversed(sections)}
    # Where it failed, it failed in what it printed last, or did not come to the end of the order.
    breaks_off = {name for name, _, _ in sections[-1:]} | {revision.id for revision in revisions[-1:]}
    general = _why_none_counts(revisions, twice)
    return tuple(
        _migration(revision, rendered, general or _why(revision, rendered, breaks_off, exit_code, reason))
        for revision in wanted.values()
    )


def rendered_whole(
    text: str, revisions: Sequence[Revision], exit_code: int, reason: str
) -> tuple[RenderedMigration, ...]:
    """Take what another tool printed as one migration: its parts cannot be told apart.

    Returns:
        One migration that is called like the last of the revisions; none where nothing is pending.
    """
    if not revisions:
        return ()
    why = _failed(exit_code, reason)
    if not why and not text.strip():
        why = "the command for its SQL printed nothing"
    message = "; ".join(filter(None, (revision.message or revision.id for revision in revisions)))
    return (
        RenderedMigration(
            revision=revisions[-1].id,
            message=one_line(message, 200) if message else "",
            sql=text.strip(),
            complete=not why,
            why_incomplete=why,
        ),
    )


def _migration(revision: Revision, rendered: dict[str, tuple[str, bool]], why: str) -> RenderedMigration:
    sql, open_ = rendered.get(revision.id, ("", False))
    return RenderedMigration(
        revision=revision.id,
        message=revision.message,
        sql=sql,
        complete=not why,
        why_incomplete=why,
        in_transaction=open_,
    )


def _why_none_counts(revisions: Sequence[Revision], twice: str) -> str:
    followed = {down for revision in revisions for down in revision.down}
    heads = [revision.id for revision in revisions if revision.id not in followed]
    if len(heads) > 1:
        names = ", ".join(one_line(head, 40) for head in heads[:5])
        return f"the pending migrations have several heads ({names}), whose order is not fixed"
    if twice:
        return f"the line that begins migration {one_line(twice, 40)} occurs twice: the migrations cannot be separated"
    return ""


def _why(
    revision: Revision,
    rendered: dict[str, tuple[str, bool]],
    breaks_off: set[str],
    exit_code: int,
    reason: str,
) -> str:
    if revision.id not in rendered:
        return _failed(exit_code, reason) or "its SQL is not in what Alembic printed"
    return _failed(exit_code, reason) if revision.id in breaks_off else ""


def _failed(exit_code: int, reason: str) -> str:
    if exit_code == 0:
        return ""
    said = f": {one_line(reason, 160)}" if reason.strip() else ""
    return f"its SQL is incomplete (exit status {exit_code}){said}"


def _repeated(ids: Sequence[str]) -> str:
    return next((one for one, count in Counter(ids).items() if count > 1), "")


def _sections(text: str, wanted: dict[str, Revision], judge: Judge) -> list[tuple[str, str, bool]]:
    """Return revision, SQL and whether a transaction is open, for each marker in order."""
    marks = [mark for mark in _markers(text, judge) if mark[2] in wanted]
    found: list[tuple[str, str, bool]] = []
    open_ = False
    lead = _preamble(text[: marks[0][0]], judge) if marks else ""
    before = 0
    for index, (start, end, name) in enumerate(marks):
        open_ = _open_after(text[before:start], was_open=open_)
        before = start
        stop = marks[index + 1][0] if index + 1 < len(marks) else len(text)
        sql = text[end:stop].strip()
        found.append((name, f"{lead}\n\n{sql}".strip() if index == 0 and lead else sql, open_))
    return found


def _markers(text: str, judge: Judge) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and revision of each line that begins a migration."""
    if "-- Running upgrade" not in text:
        return
    try:
        comments = judge.comments(text)
    except UnreadableSqlError:
        # What ends in the middle of a string has no tokens: line by line then. A section that begins or ends
        # within a string does not parse, so that nothing passes that this takes apart in a wrong place.
        comments = [match.span() for match in _MARKER_LINE.finditer(text)]
    for start, end in comments:
        match = _MARKER.match(text[start:end])
        if match and (start == 0 or text[start - 1] == "\n"):
            yield start, end, match["id"]


def _preamble(text: str, judge: Judge) -> str:
    """Return what must be judged of the text before the first migration: `env.py` may execute SQL, or print words."""
    try:
        judge.check(text)
    except UnreadableSqlError:
        begins = list(_TRANSACTION.finditer(text))
        return text[begins[-1].end() :].strip() if begins else ""
    return _TRANSACTION.sub("", text).strip()


def _open_after(text: str, *, was_open: bool) -> bool:
    last = [match[1] for match in _TRANSACTION.finditer(text)][-1:]
    return last == ["BEGIN"] if last else was_open
