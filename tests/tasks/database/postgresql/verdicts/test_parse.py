"""Texts that PostgreSQL's own scanner is slow with, or would be, are refused or read another way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pglast.error import Error
from pglast.parser import scan

from tasks.database.engine.protocols import UnreadableSqlError
from tasks.database.postgresql.verdicts.parse import read_statements, read_tokens


def told(text: str) -> list[tuple[str, int, int]] | None:
    try:
        return [(token.name, token.start, token.end) for token in scan(text)]
    except Error:
        return None


def read(text: str) -> list[tuple[str, int, int]] | None:
    try:
        return [(token.name, token.start, token.end) for token in read_tokens(text)]
    except UnreadableSqlError:
        return None


@given(st.text("é🦊'\"$;-/*+ aEUx&0.\n", max_size=20))
def test_characters_beyond_ascii_change_no_place(text: str) -> None:
    assert read(text) == told(text)


def test_tags_that_differ_in_a_character_stay_different() -> None:
    text = "select $é$ ; $è$ ; $é$; select 1"
    assert read(text) == told(text)
    assert len(read_statements(text)) == 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "/*" * 100_000 + "*/" * 100_000,
        "select 1 " + "+" * 200_000 + "1",
        "insert into t values ('é');" * 60_000,
    ],
)
def test_who_writes_a_migration_does_not_choose_how_long_reading_takes(text: str) -> None:
    with pytest.raises(UnreadableSqlError, match="operators in a row|beyond ASCII"):
        read_statements(text)


@pytest.mark.timeout(20)
def test_a_long_migration_in_any_language_is_read() -> None:
    text = "insert into t values " + "('řeřicha', 1),\n" * 30_000 + "('x', 1);"
    assert len(read_statements(text)) == 1
    assert len(read_tokens("-- " + "=" * 1_900 + "\n" + text)) > 180_000
