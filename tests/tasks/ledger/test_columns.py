"""A record says how its rows are kept: which columns there are, of which types, and which may be empty."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import AliasChoices, Field

from blocks.values.deliveries import Errand
from blocks.values.lifecycle import Kind, Status
from blocks.values.receipts import StepReceipt
from tasks.ledger.columns import columns_of
from tasks.ledger.records import Record


class Sample(Record):
    """One of each kind of field."""

    id: int
    size: int
    name: str
    status: Status
    kind: Kind | Errand
    word: Literal["yes", "no"]
    passed: bool
    at: datetime
    receipt: StepReceipt | None
    renamed: str | None = Field(validation_alias=AliasChoices("renamed", "before"))


def sample(**changes: Any) -> Sample:
    values: dict[str, Any] = {
        "id": 1,
        "size": 2**40,
        "name": "a",
        "status": Status.RUNNING,
        "kind": Errand.TEND,
        "word": "yes",
        "passed": True,
        "at": datetime(2026, 11, 21, 3, tzinfo=UTC),
        "receipt": StepReceipt(text="größer\0"),
        "renamed": "b",
    }
    return Sample(**values | changes)


@pytest.fixture
def table() -> sa.Table:
    return sa.Table("samples", sa.MetaData(), *columns_of(Sample, keys=["id"], large=["size"]))


def test_fields_are_columns(table: sa.Table) -> None:
    kinds = {
        column.name: str(column.type.compile(sa.create_engine("sqlite://").dialect)) for column in table.c
    }
    assert kinds == {
        "id": "INTEGER",
        "size": "BIGINT",
        "name": "TEXT",
        "status": "TEXT",
        "kind": "TEXT",
        "word": "TEXT",
        "passed": "BOOLEAN",
        "at": "DATETIME",
        "receipt": "TEXT",
        "before": "TEXT",
    }
    assert [column.name for column in table.c if column.nullable] == ["receipt", "before"]
    assert [column.name for column in table.primary_key] == ["id"]


@pytest.mark.parametrize("changes", [{}, {"receipt": None, "renamed": None}])
def test_what_was_kept_is_what_is_read(table: sa.Table, changes: dict[str, Any]) -> None:
    wanted = sample(**changes)
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        values = {name: getattr(wanted, name) for name in Sample.model_fields}
        values["before"] = values.pop("renamed")
        connection.execute(table.insert().values(values))
        assert Sample.of(connection.execute(sa.select(table)).one()) == wanted
    engine.dispose()


def test_a_field_of_a_kind_nobody_keeps_is_an_error() -> None:
    class Wrong(Record):
        id: int
        ratio: float

    with pytest.raises(KeyError, match="float"):
        columns_of(Wrong, keys=["id"], large=[])
