"""The walk through migrations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.values.releases import Revision
from flows.domain.database.schema import SchemaPath, UnknownRevisionError, ahead_of, in_order, schema_path
from tests.flows.domain.samples import revisions


def ids(found: tuple[Revision, ...]) -> list[str]:
    return [revision.id for revision in found]


MERGED = (
    Revision(id="merge", down=("left", "right")),
    Revision(id="right", down=("base",)),
    Revision(id="left", down=("base",)),
    Revision(id="base"),
)


@pytest.mark.parametrize(
    ("current", "pending"),
    [
        (None, ["a", "b", "c"]),
        ((), ["a", "b", "c"]),
        (("a",), ["b", "c"]),
        (("c",), []),
    ],
)
def test_a_straight_line(current: tuple[str, ...] | None, pending: list[str]) -> None:
    path = schema_path(revisions("a", "b", "c"), current)
    assert ids(path.pending) == pending
    assert path.ahead == ()


@pytest.mark.parametrize(
    ("current", "pending"),
    [
        ((), ["base", "right", "left", "merge"]),
        (("left",), ["right", "merge"]),
        (("left", "right"), ["merge"]),
        (("merge",), []),
    ],
)
def test_branches_and_merges(current: tuple[str, ...], pending: list[str]) -> None:
    assert ids(schema_path(MERGED, current).pending) == pending


def test_no_migrations_at_all() -> None:
    assert schema_path((), None) == SchemaPath()


def test_a_database_newer_than_the_release() -> None:
    path = schema_path(revisions("a", "b"), ("d",), revisions("a", "b", "c", "d"))
    assert path.pending == ()
    assert ids(path.ahead) == ["c", "d"]


def test_a_revision_nobody_knows_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        UnknownRevisionError, match="is at migration x1, which the release does not know — prom"
    ):
        schema_path(revisions("a", "b"), ("x1",))


def test_two_branches_that_do_not_know_each_other_are_an_error() -> None:
    other = (*revisions("a"), Revision(id="x", down=("a",)))
    with pytest.raises(UnknownRevisionError, match="has migration x, which the release lacks, and lacks b"):
        schema_path(revisions("a", "b"), ("x",), other)


def test_what_was_squashed_away_counts_as_applied() -> None:
    squashed = (Revision(id="b", down=("a",)), Revision(id="c", down=("b",)))
    assert ids(schema_path(squashed, ("b",)).pending) == ["c"]


def test_a_circle_is_an_error() -> None:
    with pytest.raises(UnknownRevisionError, match="circle"):
        in_order((Revision(id="a", down=("b",)), Revision(id="b", down=("a",))))


def test_a_rollback_names_what_the_release_lacks_also_what_nobody_knows() -> None:
    known = revisions("a", "b", "c")
    assert ids(ahead_of(revisions("a"), ("c",), known)) == ["b", "c"]
    assert ahead_of(revisions("a"), ("x",)) == (Revision(id="x"),)
    assert ahead_of(revisions("a"), ()) == ()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Revision, ...]:
    """Draw a graph without circles, its migrations in any order."""
    size = draw(st.integers(0, 8))
    made = []
    for index in range(size):
        downs = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        made.append(Revision(id=f"r{index}", down=tuple(f"r{down}" for down in sorted(downs))))
    return tuple(draw(st.permutations(made)))


@given(graphs(), st.data())
def test_the_walk_is_topological_and_complete(graph: tuple[Revision, ...], data: st.DataObject) -> None:
    names = [revision.id for revision in graph]
    current = data.draw(st.sets(st.sampled_from(names))) if names else set()
    pending = schema_path(graph, current).pending
    assert len(set(ids(pending))) == len(pending)
    known = {revision.id: revision for revision in graph}
    done = set(known) - set(ids(pending))
    # Where the database stands is applied, with all that came before it, and nothing else.
    assert current <= done
    assert done == {name for name in known if any(leads_to(known, name, at) for at in current)}
    for revision in pending:
        assert set(revision.down) <= done
        done.add(revision.id)
    assert done == set(known)


def leads_to(graph: dict[str, Revision], ancestor: str, at: str) -> bool:
    return ancestor == at or any(leads_to(graph, ancestor, down) for down in graph[at].down)


@given(graphs(), st.integers(0, 8), st.data())
def test_an_older_release_sees_what_the_database_is_ahead_by(
    graph: tuple[Revision, ...], keep: int, data: st.DataObject
) -> None:
    ordered = in_order(graph)
    older = ordered[:keep]
    heads = {r.id for r in ordered} - {down for r in ordered for down in r.down}
    path = schema_path(older, heads, graph)
    assert path.pending == ()
    assert set(ids(path.ahead)) == set(ids(ordered[keep:]))
    assert set(ids(ahead_of(older, heads, graph))) == set(ids(path.ahead))
