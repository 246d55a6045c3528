"""What a statement is judged on: what its migration made itself, what is known of the tables, and the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from blocks.values.schema_changes import Risk
from tasks.database.postgresql.verdicts.column_types import ColumnType, read_type
from tasks.kernel.text import human_bytes, one_line

V = TypeVar("V")


class Remark(NamedTuple):
    """What is said of a statement.

    Attributes:
        safer: The safer way, one line; empty for none.
    """

    risk: Risk
    reason: str
    safer: str = ""
    table: str = ""


Remarks = Iterable[Remark]


class FreshColumn(NamedTuple):
    """A column the migration added itself, so that the running release does not know it.

    Attributes:
        filled: True when rows of the running release get a value in it, by a default or a computation.
        equal: True when they all get the same one.
    """

    filled: bool
    equal: bool
    required: bool = False


@dataclass
class MigrationContext:
    """The ground one migration is judged on; it grows with each statement.

    Attributes:
        types: `table.column` → the type it has now, as PostgreSQL prints it.
        new: The tables, views and types the migration made.
        fresh: The columns it added to tables that were there.
        locked: The tables it has locked in the open transaction.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    in_transaction: bool = False
    new: set[str] = field(default_factory=set)
    fresh: dict[tuple[str, str], FreshColumn] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)

    def is_new(self, name: str) -> bool:
        """Say whether the migration made a relation or type; another spelling of its name counts as not."""
        return name in self.new

    def is_fresh(self, table: str, names: Iterable[str]) -> bool:
        """Say whether all columns were added by the migration."""
        listed = tuple(names)
        return bool(listed) and all((table, name) in self.fresh for name in listed)

    def all_alike(self, table: str, names: Iterable[str]) -> bool:
        """Say whether rows of the running release get the same values in all of these added columns."""
        return all(one.filled and one.equal for one in (self.fresh[table, name] for name in names))

    def say_table(self, table: str) -> str:
        """Return a table's name with its size where that is known, for messages."""
        size = self._look_up(self.sizes, table)
        name = one_line(table, 80)
        return name if size is None else f"{name} ({human_bytes(size)})"

    def type_now(self, table: str, column: str) -> ColumnType | None:
        """Return the type a column has, None where it is not known."""
        text = self._look_up(self.types, f"{table}.{column}")
        return read_type(text) if text is not None else None

    def transaction_began(self) -> None:
        """Note that a transaction is open."""
        self.in_transaction = True

    def transaction_ended(self) -> None:
        """Note that none is open any more: its locks are gone."""
        self.in_transaction = False
        self.locked.clear()

    def forget(self) -> None:
        """Forget what was made: names mean something else from here on."""
        self.new.clear()
        self.fresh.clear()

    @staticmethod
    def _look_up(known: Mapping[str, V], name: str) -> V | None:
        plain = name.removeprefix("public.")
        return known.get(name, known.get(plain, known.get(f"public.{plain}")))
