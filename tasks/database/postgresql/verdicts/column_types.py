"""What a change of a column's type means: whether the old values, the old code and the old files still fit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Any, NamedTuple

from pglast import ast

from tasks.database.engine.protocols import UnreadableSqlError
from tasks.database.postgresql.verdicts.parse import read_statements
from tasks.database.postgresql.verdicts.trees import strings

_INTEGERS = ("int2", "int4", "int8")
_FLOATS = ("float4", "float8")
_TEXTS = frozenset({"text", "varchar"})
_TIMES = ("timestamp", "timestamptz", "time", "timetz", "varbit")
_ALIASES = {
    "smallserial": "int2",
    "serial": "int4",
    "bigserial": "int8",
    "serial4": "int4",
    "serial8": "int8",
}
_LONGEST = 200


class ColumnType(NamedTuple):
    """A type as PostgreSQL's parser names it.

    Attributes:
        name: Such as `varchar`, `int4`, `timestamptz`; other schemas stay in the name.
        modifiers: The numbers in parentheses.
        dimensions: How many brackets follow.
    """

    name: str
    modifiers: tuple[int, ...] = ()
    dimensions: int = 0

    def __str__(self) -> str:
        """Return the type as people write it."""
        numbers = f"({','.join(map(str, self.modifiers))})" if self.modifiers else ""
        return f"{self.name}{numbers}{'[]' * self.dimensions}"


class TypeChange(Enum):
    """What happens to a column whose type is changed."""

    NOTHING = "nothing"  # only the catalogue is written
    REWRITE = "rewrite"  # every value still fits, but the table is written anew
    BREAK = "break"  # values, or the code that uses them, may no longer fit


def type_of(node: Any) -> ColumnType:  # noqa: ANN401 - the parser's trees are not typed
    """Read a type from the parse tree."""
    names = strings(node.names)
    name = ".".join(names[1:] if names[:1] == ("pg_catalog",) else names)
    numbers = tuple(_number(one) for one in node.typmods or ())
    return ColumnType(
        _ALIASES.get(name, name), tuple(n for n in numbers if n is not None), len(node.arrayBounds or ())
    )


def read_type(text: str) -> ColumnType | None:
    """Read a type as PostgreSQL prints it (`character varying(20)`); None where it is none."""
    if len(text) > _LONGEST:
        return None
    try:
        (statement,) = read_statements(f"SELECT NULL::{text}")
        cast = statement.node.targetList[0].val
    except (UnreadableSqlError, ValueError, AttributeError, TypeError):
        return None
    alone = isinstance(cast, ast.TypeCast) and len(statement.node.targetList) == 1
    return type_of(cast.typeName) if alone else None


def compare(old: ColumnType, new: ColumnType) -> TypeChange:
    """Say what changing a column's type does.

    Only pairs that are known to be harmless are; every other is a break.
    """
    if old == new or (old.name, new.name) == ("cidr", "inet"):
        return TypeChange.NOTHING
    if old.dimensions != new.dimensions:
        return TypeChange.BREAK
    for family, judge in _FAMILIES:
        if old.name in family and new.name in family:
            return judge(old, new)
    return TypeChange.BREAK


def _no_smaller(old: ColumnType, new: ColumnType) -> TypeChange:
    if not new.modifiers:
        return TypeChange.NOTHING
    return TypeChange.NOTHING if old.modifiers and new.modifiers >= old.modifiers else TypeChange.BREAK


def _wider(old: ColumnType, new: ColumnType) -> TypeChange:
    names = _INTEGERS if old.name in _INTEGERS else _FLOATS
    return TypeChange.REWRITE if names.index(new.name) > names.index(old.name) else TypeChange.BREAK


def _numeric(old: ColumnType, new: ColumnType) -> TypeChange:
    if not new.modifiers:
        return TypeChange.NOTHING
    if not old.modifiers:
        return TypeChange.BREAK
    digits, scale, *_ = (*new.modifiers, 0)
    old_digits, old_scale, *_ = (*old.modifiers, 0)
    if scale < old_scale or digits - scale < old_digits - old_scale:
        return TypeChange.BREAK
    return TypeChange.NOTHING if scale == old_scale else TypeChange.REWRITE


def _number(node: Any) -> int | None:  # noqa: ANN401
    value = getattr(node, "val", None)
    return value.ival if isinstance(value, ast.Integer) else None


_FAMILIES: tuple[tuple[Collection[str], Callable[[ColumnType, ColumnType], TypeChange]], ...] = (
    (_TEXTS, _no_smaller),
    (_INTEGERS, _wider),
    (_FLOATS, _wider),
    (("numeric",), _numeric),
    *(((name,), _no_smaller) for name in _TIMES),
)
