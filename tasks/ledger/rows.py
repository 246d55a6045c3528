"""What is done with every table: rows are found, added and changed, and come out as records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import insert, select, update

from tasks.ledger.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from tasks.ledger.database import Database

R = TypeVar("R", bound=Record)


class Rows(Generic[R]):
    """One table, in transactions of its own; a subclass names the table and what its rows are read as."""

    table: Table
    kind: type[R]

    def __init__(self, database: Database) -> None:
        self._database = database

    def _all(
        self,
        *wanted: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]] = (),
        limit: int | None = None,
    ) -> list[R]:
        """Return rows, the oldest first where no order is given."""
        query = select(self.table).where(*wanted).order_by(*(order or self.table.primary_key)).limit(limit)
        with self._database.reading() as connection:
            return [self.kind.of(row) for row in connection.execute(query)]

    def _first(self, *wanted: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()) -> R | None:
        return next(iter(self._all(*wanted, order=order, limit=1)), None)

    def _pairs(
        self, key: ColumnElement[Any], value: ColumnElement[Any], *wanted: ColumnElement[bool]
    ) -> dict[str, str]:
        with self._database.reading() as connection:
            return dict(connection.execute(select(key, value).where(*wanted)).tuples().all())

    def _add(self, **values: object) -> R:
        """Add a row; `Conflict` is raised where it would break a unique or foreign key."""
        with self._database.writing() as connection:
            added = connection.execute(insert(self.table).values(values).returning(self.table))
            return self.kind.of(added.one())

    def _change(self, *wanted: ColumnElement[bool], **values: object) -> list[R]:
        """Change rows; return them as they are now."""
        with self._database.writing() as connection:
            return self._change_within(connection, *wanted, **values)

    def _change_one(self, *wanted: ColumnElement[bool], **values: object) -> R | None:
        return next(iter(self._change(*wanted, **values)), None)

    def _change_within(
        self, connection: Connection, *wanted: ColumnElement[bool], **values: object
    ) -> list[R]:
        changed = connection.execute(update(self.table).where(*wanted).values(values).returning(self.table))
        return [self.kind.of(row) for row in changed]
