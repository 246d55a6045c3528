"""What Alembic and other tools print: a project's migrations, and the revision a database has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks.values.releases import Revision
from tasks.kernel.argv import Argv, name
from tasks.kernel.lines import lines

if TYPE_CHECKING:
    from blocks.pipeline import Migration

# `<base> -> 1a2b3c (branchpoint), first`, `1a2b3c, 4d5e6f (9a8b7c) -> 0f1e2d (head) (mergepoint), both`: the
# ids before the arrow are what it follows, in parentheses what else it depends on.
_HISTORY = re.compile(
    r"(?P<down><base>|[\w., -]+?)(?: \((?P<needs>[^)]*)\))? -> "
    r"(?P<id>[\w.-]+)(?: \([^)]*\))*(?:, (?P<doc>.*))?\Z"
)


def parse_history(text: str) -> tuple[Revision, ...]:
    """Read what `alembic history` printed.

    Args:
        text: Its standard output, newest first. Lines of another form (log lines) are passed over.
    """
    found = [match for line in lines(text) if (match := _HISTORY.match(line.strip()))]
    return tuple(
        Revision(id=match["id"], down=_ids(match["down"]) + _ids(match["needs"]), message=match["doc"] or "")
        for match in reversed(found)
    )


def parse_pending(text: str) -> tuple[Revision, ...]:
    """Read what another tool's command for its pending migrations printed."""
    told = (line.strip() for line in lines(text))
    return tuple(Revision(id=line[:200]) for line in dict.fromkeys(told) if line)


def _ids(text: str | None) -> tuple[str, ...]:
    ids = (part.strip() for part in (text or "").split(","))
    return tuple(part for part in ids if part and part != "<base>")


def pending(revisions: tuple[Revision, ...], current: tuple[str, ...]) -> tuple[Revision, ...]:
    """Return the migrations a database lacks, oldest first.

    Args:
        revisions: All migrations the release knows, oldest first.
    """
    known = {revision.id: revision for revision in revisions}
    applied: set[str] = set()
    rest = list(current)
    while rest:
        revision = known.get(rest.pop())
        if revision is not None and revision.id not in applied:
            applied.add(revision.id)
            rest.extend(revision.down)
    return tuple(revision for revision in revisions if revision.id not in applied)


def downgrade_words(migration: Migration, revision: str) -> Argv | None:
    """Return the command that takes a database back to a revision.

    Args:
        revision: The revision to go to; `base` is Alembic's word for none.
    """
    to = name(revision, "schema revision")
    if migration.downgrade is not None:
        return tuple(word.replace("{revision}", to) for word in migration.downgrade)
    return (*migration.alembic, "downgrade", to) if migration.alembic else None
