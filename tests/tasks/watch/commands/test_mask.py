"""What log lines have in common, and what must not be shown of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.watch.commands.mask import LONGEST_LINE, MASK, mask, plain, scrub

LINES = st.text(max_size=300)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("order 4711 is lost", "order # is lost"),
        ("took 12.5 s at 2026-11-26T06:00:00.123Z", "took # s at #"),
        ("2026/11/26 06:00:00 from 172.18.0.5:41234", "# # from #"),
        ("KeyError: 'carrier'", "KeyError: '…'"),
        ('relation "orders" does not exist', 'relation "…" does not exist'),
        ("can't reach db, won't try", "can't reach db, won't try"),
        ("run 0f8fad5b-d9cb-469f-a165-70867728950e", "run #"),
        ("object at 0x7f3a2c10", "object at #"),
        ("image a3f5c2e9b1d0", "image #"),
        ("key sk_live_51HxAbCdEfGh", "key #"),
        ("module psycopg2", "module psycopg#"),
        ("a face in the facade", "a face in the facade"),
        ("column `total` is  wide\t", "column `…` is wide"),
    ],
)
def test_what_varies_is_masked(line: str, masked: str) -> None:
    assert mask(line) == masked


@given(LINES)
def test_masking_again_changes_nothing(line: str) -> None:
    assert mask(mask(line)) == mask(line)


@given(LINES, st.lists(st.integers(0, 10**9), min_size=2, max_size=2))
def test_lines_that_differ_in_a_number_are_of_one_kind(text: str, numbers: list[int]) -> None:
    one, other = (mask(f"order {number} {text}") for number in numbers)
    assert one == other


@given(LINES)
def test_no_digit_is_left(line: str) -> None:
    assert not re.search(r"\d", mask(line))


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("connect postgresql+psycopg://shop:hunter2@db/shop", "hunter2"),
        ("connect redis://:hunter2@cache:6379/0", "hunter2"),
        ("password=hunter2 user=shop", "hunter2"),
        ('{"api_key": "hunter2", "x": 1}', "hunter2"),
        ("DB_PASSWORD='hunter2 with spaces'", "hunter2 with spaces"),
        ("Authorization: Bearer abcdef.hunter2", "hunter2"),
        ("Authorization: Basic aHVudGVyMg==", "aHVudGVyMg"),
        ("Cookie: sid=hunter2; theme=dark", "hunter2"),
        ("jwt eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl", "eyJzdWIiOiIx"),
        ("mail to ana.b@example.co.uk failed", "ana.b@example"),
        ("GET /cb?access_token=hunter2&x=1", "hunter2"),
        ("X-Session-Id=hunter2", "hunter2"),
    ],
)
def test_secrets_are_known_by_their_place(line: str, secret: str) -> None:
    found = scrub(line)
    assert secret not in found
    assert MASK in found


@pytest.mark.parametrize("line", ["GET /api/tokens 200", "12 passwords were rotated", "basic auth is on"])
def test_words_alone_are_no_secrets(line: str) -> None:
    assert scrub(line) == line


@given(LINES)
def test_scrubbing_keeps_to_one_line(line: str) -> None:
    assert scrub(line).count("\n") <= line.count("\n")


def test_colours_and_long_lines_are_cut() -> None:
    assert plain("\x1b[31mERROR\x1b[0m red  \r") == "ERROR red"
    assert len(plain("x" * 10**6)) == LONGEST_LINE
