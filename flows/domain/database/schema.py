"""Where a database stands in a release's migrations: what is pending, and what it is ahead by."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence

from blocks.values.base import Value
from blocks.values.releases import Revision
from flows.domain.words.text import one_line
from tasks.kernel.errors import RefusedError


class UnknownRevisionError(RefusedError):
    """The database stands at a migration that nobody here knows, or on another branch of them."""


class SchemaPath(Value):
    """The way from the database's revision to the release's.

    Attributes:
        pending: The migrations that would run, each after those it follows.
        ahead: The migrations the database has and the release does not know, each after those it follows.
    """

    pending: tuple[Revision, ...] = ()
    ahead: tuple[Revision, ...] = ()


def in_order(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Sort migrations so that each comes after those it follows; otherwise the given order stays.

    Args:
        revisions: A migration graph; what a migration follows may lie outside of it.

    Raises:
        UnknownRevisionError: Migrations follow each other in a circle.
    """
    position = {revision.id: index for index, revision in enumerate(revisions)}
    waits_for = [{down for down in revision.down if down in position} for revision in revisions]
    ready = [index for index, downs in enumerate(waits_for) if not downs]
    ordered: list[Revision] = []
    while ready:
        done = revisions[heapq.heappop(ready)]
        ordered.append(done)
        for index, downs in enumerate(waits_for):
            if done.id in downs:
                downs.discard(done.id)
                if not downs:
                    heapq.heappush(ready, index)
    if len(ordered) != len(revisions):
        raise UnknownRevisionError(
            "the release's migrations follow each other in a circle", "fix their down revisions"
        )
    return tuple(ordered)


def schema_path(
    revisions: Sequence[Revision], current: Collection[str] | None, known: Sequence[Revision] = ()
) -> SchemaPath:
    """Walk the migration graph from where the database stands to the release's newest migrations.

    Args:
        current: The revisions the database stands at: several after a branch, none for a database that has
            none yet; None where it could not be read, which counts as none.
        known: The migrations of other releases that ran here, which may be newer ones.

    Raises:
        UnknownRevisionError: Nobody knows a revision, or the database has migrations this release
            lacks while this release has migrations the database lacks.
    """
    ordered = in_order(revisions)
    own = {revision.id: revision for revision in ordered}
    graph = {revision.id: revision for revision in known} | own
    _check_known(graph, current or ())
    applied = _with_ancestors(graph, current or ())
    pending = tuple(revision for revision in ordered if revision.id not in applied)
    ahead = in_order([revision for key, revision in graph.items() if key in applied and key not in own])
    if pending and ahead:
        raise UnknownRevisionError(
            f"the database has migration {_say(ahead[-1].id)}, which the release lacks, "
            f"and lacks {_say(pending[0].id)}, which it has",
            "merge the two branches and their migrations, then promote the merge",
        )
    return SchemaPath(pending=pending, ahead=ahead)


def ahead_of(
    revisions: Sequence[Revision], current: Collection[str], known: Sequence[Revision] = ()
) -> tuple[Revision, ...]:
    """Return what the database has and a release lacks, for a rollback, which runs no migration.

    Args:
        current: The revisions the database stands at.

    Returns:
        The migrations, each after those it follows; one that nobody knows is told by its bare identifier.
    """
    own = {revision.id for revision in revisions}
    strangers = {key: Revision(id=key) for key in current}
    graph = strangers | {revision.id: revision for revision in (*known, *revisions)}
    applied = _with_ancestors(graph, current)
    return in_order([revision for key, revision in graph.items() if key in applied and key not in own])


def _check_known(graph: Mapping[str, Revision], current: Collection[str]) -> None:
    for revision in current:
        if revision not in graph:
            raise UnknownRevisionError(
                f"the database is at migration {_say(revision)}, which the release does not know",
                "promote a release that has it, or find out who changed the database",
            )


def _with_ancestors(graph: Mapping[str, Revision], current: Collection[str]) -> set[str]:
    applied: set[str] = set()
    waiting = list(current)
    while waiting:
        revision = waiting.pop()
        if revision not in applied:
            applied.add(revision)
            # What lies outside the graph was squashed away: it has been applied long ago.
            waiting.extend(down for down in graph[revision].down if down in graph)
    return applied


def _say(revision: str) -> str:
    return one_line(revision, 40)
