"""PURE: the shapes of two databases' tables, and what of them can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.values.base import Value

Rows = Sequence[Sequence[str]]


class DatabaseShape(Value):
    """A table's shape.

    Attributes:
        columns: Column → the SQL of its default, None without one; in the table's order.
        key: The columns of its primary key, empty without one.
    """

    name: str
    columns: dict[str, str | None]
    key: tuple[str, ...] = ()


class Pair(Value):
    """A table that both databases have.

    Attributes:
        columns: The columns both have.
        key: What tells its rows apart; empty where they are told apart by their whole content.
        gone: The columns only the first database has, each with its default.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    gone: dict[str, str | None]


def pairs(first: Mapping[str, DatabaseShape], second: Mapping[str, DatabaseShape]) -> tuple[Pair, ...]:
    """Return the tables both databases have, with what of them can be compared."""
    return tuple(_pair(first[name], second[name]) for name in first if name in second)


def _pair(first: DatabaseShape, second: DatabaseShape) -> Pair:
    same_key = first.key if first.key == second.key and set(first.key) <= set(second.columns) else ()
    return Pair(
        name=first.name,
        columns=tuple(sorted(name for name in first.columns if name in second.columns)),
        key=same_key,
        gone={name: default for name, default in first.columns.items() if name not in second.columns},
    )
