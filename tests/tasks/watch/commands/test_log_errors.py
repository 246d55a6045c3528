"""The errors in a log, told apart; with lines of the example shop as they really are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.watch.commands.log_errors import LogPatterns, find_errors, matches

NOTHING = LogPatterns()
TRACEBACK = """\
2026-11-26 06:00:01,001 INFO order 4 is reserved
2026-11-26 06:00:02,001 ERROR order 5 cannot be sent
Traceback (most recent call last):
  File "/app/shop/worker.py", line 31, in work
    post(order)
  File "/usr/local/lib/python3.13/site-packages/httpx/_client.py", line 1, in send
    raise exc
httpx.ConnectError: [Errno 111] Connection refused
2026-11-26 06:00:03,001 INFO order 6 is reserved
"""
CHAINED = """\
ERROR:    Exception in ASGI application
Traceback (most recent call last):
  File "/app/shop/api.py", line 40, in place_order
    rows[sku]
KeyError: 'mug'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop/api.py", line 42, in place_order
    raise SoldOut from None
shop.orders.SoldOut: nothing is left
  of it
INFO:     Shutting down
"""
GROUP = """\
ERROR:    Exception in ASGI application
  + Exception Group Traceback (most recent call last):
  |   File "/usr/lib/python3.13/site-packages/starlette/_utils.py", line 76, in collapse
  |     yield
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/shop/api.py", line 3, in stream
    |     raise ValueError(7)
    | ValueError: 7
    +------------------------------------
INFO:     done
"""


def kinds(text: str, patterns: LogPatterns = NOTHING) -> list[tuple[str, str, int]]:
    return [(one.sign, one.text, one.count) for one in find_errors("worker", text.splitlines(), patterns)]


def test_a_traceback_is_one_error_with_the_line_that_announces_it() -> None:
    (found,) = find_errors("worker", TRACEBACK.splitlines(), NOTHING)
    assert found.service == "worker"
    assert (
        found.text
        == "ERROR order # cannot be sent · httpx.ConnectError: [Errno #] Connection refused in worker.py work"
    )
    assert found.sample == (
        "2026-11-26 06:00:02,001 ERROR order 5 cannot be sent · httpx.ConnectError: [Errno 111] Connection refused"
    )


def test_the_shop_without_its_database() -> None:
    """What the example shop really logs when its database is away: two answers, and one chain of long tracebacks."""
    log = (Path(__file__).parent / "logs" / "shop_without_database.log").read_text()
    down = 'connection failed: connection to server at "…", port # failed: Connection refused'
    assert kinds(log) == [
        (
            "error",
            "ERROR: Exception in ASGI application · sqlalchemy.exc.OperationalError: (psycopg.OperationalError) "
            f"{down} in api.py list_products",
            1,
        ),
        ("error", "Internal Server Error: GET /api/products", 1),
        ("error", "Service Unavailable: GET /api/health", 1),
    ]
    assert kinds(log, LogPatterns(ignore=("asgi application", "/api/health"))) == [
        ("error", "Internal Server Error: GET /api/products", 1)
    ]


def test_of_chained_exceptions_the_last_counts() -> None:
    assert kinds(CHAINED) == [
        (
            "error",
            "ERROR: Exception in ASGI application · shop.orders.SoldOut: nothing is left in api.py place_order",
            1,
        )
    ]


def test_exception_groups_are_one_error() -> None:
    ((_, text, count),) = kinds(GROUP)
    assert count == 1
    assert text.startswith("ERROR: Exception in ASGI application · ValueError: # in api.py stream")


def test_two_tracebacks_in_a_row_are_two() -> None:
    one = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    x\nKeyError: 1\n'
    assert kinds(one + one) == [("error", "KeyError: # in a.py f", 2)]


def test_what_stands_behind_the_exception_is_not_part_of_it() -> None:
    text = "Traceback (most recent call last):\nKeyError: 1\nkey: value\nConnectionError: other\n"
    assert kinds(text) == [("error", "ConnectionError: other", 1), ("error", "KeyError: #", 1)]


def test_a_traceback_that_was_cut_off_still_counts() -> None:
    assert kinds("Traceback (most recent call last):") == [("error", "Traceback (most recent call last):", 1)]
    assert kinds(
        'Traceback (most recent call last):\n  File "/usr/lib/python3/x.py", line 1, in f\nINFO next'
    )[0][1] == ("Traceback (most recent call last): in x.py f")


def test_equal_errors_are_counted_and_the_most_frequent_come_first() -> None:
    text = "ERROR a 1\nERROR b\nERROR a 2\n"
    assert kinds(text) == [("error", "ERROR a #", 2), ("error", "ERROR b", 1)]


def test_what_is_ignored_does_not_count_nor_does_its_traceback() -> None:
    assert kinds(TRACEBACK, LogPatterns(ignore=("order*cannot be sent",))) == []
    assert kinds(TRACEBACK, LogPatterns(ignore=("connecterror",))) == []
    assert kinds(TRACEBACK, LogPatterns(ignore=("something else",))) != []


def test_what_is_watched_for_counts_whatever_its_level() -> None:
    text = "INFO queue is 90 % full\nINFO queue is 91 % full\nDEBUG queue is full, ignored\n"
    found = kinds(text, LogPatterns(watch=("QUEUE is*full",), ignore=("ignored",)))
    assert found == [("pattern", "QUEUE is*full", 2)]


def test_secrets_are_masked_in_samples() -> None:
    (found,) = find_errors("db", ["ERROR no way to postgresql://shop:hunter2@db/shop"], NOTHING)
    assert "hunter2" not in found.to_json()


def test_kinds_are_bounded_and_watched_ones_are_kept() -> None:
    letters = [f"ERROR {chr(97 + n // 26)}{chr(97 + n % 26)} broke" for n in range(300)]
    found = find_errors("x", [*letters, "INFO seen"], LogPatterns(watch=("seen",)))
    assert len(found) == 200
    assert found[0].sign == "pattern"


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("out of memory", "kernel: Out of Memory: killed", True),
        ("a*b", "xx a yy b", True),
        ("a*b", "b a", False),
        ("*a*", "za", True),
        ("aa*aa", "aaa", False),
    ],
)
def test_patterns(pattern: str, line: str, found: bool) -> None:
    assert matches(pattern, line) is found


@given(
    st.lists(
        st.sampled_from([*TRACEBACK.splitlines(), *CHAINED.splitlines(), *GROUP.splitlines(), ""]),
        max_size=40,
    )
)
def test_any_order_of_lines_ends(lines: list[str]) -> None:
    found = find_errors("x", lines, LogPatterns(watch=("order",), ignore=("reserved",)))
    assert all(one.count >= 1 for one in found)
    assert sum(one.count for one in found if one.sign == "error") <= len(lines)


@given(st.lists(st.text(max_size=80), max_size=20))
def test_any_text_is_read(lines: list[str]) -> None:
    assert len(find_errors("x", lines, LogPatterns(watch=("e",)))) <= 200
