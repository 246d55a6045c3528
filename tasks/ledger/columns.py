"""How the fields of records are kept: column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Text
from sqlalchemy.types import TypeDecorator

from blocks.values.base import Value

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic.fields import FieldInfo
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


class Moment(TypeDecorator[datetime]):
    """A point in time: UTC-aware in Python on every database. SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn a time into UTC; one without a zone is an error, not a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone was given to the ledger")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the time its zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text as both databases can keep it.

    Messages may hold the raw output of commands. PostgreSQL refuses NUL, and neither database takes half a
    surrogate pair: each becomes U+FFFD, because losing the row would be worse than losing the character.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace what cannot be kept."""
        if value is None:
            return None
        return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)


class ValueText(TypeDecorator[Value]):
    """A value as JSON text, which keeps the order of keys: checksums rest on it."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Value]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Value | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write the value."""
        return None if value is None else value.to_json()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Value | None:  # noqa: ARG002
        """Read the value."""
        return None if value is None else self.kind.from_json(value)


_TYPES: dict[object, type[TypeEngine[Any]]] = {
    int: Integer,
    bool: Boolean,
    str: PlainText,
    datetime: Moment,
}


def columns_of(record: type[Value], keys: Collection[str], large: Collection[str]) -> list[Column[Any]]:
    """Return the columns in which a record's fields are kept; None in a field's type lets its column be empty.

    Args:
        keys: The fields of the primary key.
        large: Whole numbers that may need 64 bits.
    """
    return [
        Column(
            _column_name(name, field),
            BigInteger() if name in large else _type_of(field.annotation),
            primary_key=name in keys,
            nullable=NoneType in get_args(field.annotation),
        )
        for name, field in record.model_fields.items()
    ]


def _column_name(name: str, field: FieldInfo) -> str:
    """Return the name of a field's column: the last of the field's names where it has several."""
    alias = field.validation_alias
    return str(alias.choices[-1]) if isinstance(alias, AliasChoices) else name


def _type_of(annotation: object) -> TypeEngine[Any]:
    if get_origin(annotation) in {Union, UnionType}:
        return _type_of(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return ValueText(annotation)
    if get_origin(annotation) is Literal or (
        isinstance(annotation, type) and issubclass(annotation, StrEnum)
    ):
        return PlainText()
    return _TYPES[annotation]()
