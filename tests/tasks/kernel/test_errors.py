"""What people are told is one line, and the line that says why."""

from __future__ import annotations

import pickle

import pytest

from tasks.kernel.errors import RefusedError, SluiceError
from tasks.kernel.protocols import Result

TRACEBACK = """Traceback (most recent call last):
  File "/app/env.py", line 9, in run
psycopg.errors.UndefinedFunction: function f() does not exist
The above exception was the direct cause of the following exception:
sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedFunction) function f() does not exist
LINE 1: select f()
[SQL: select f()]
(Background on this error at: https://example.com)
"""


def result(stderr: str) -> Result:
    return Result(argv=("x",), exit_code=1, stdout="", stderr=stderr, seconds=0.1)


def test_an_error_is_one_line_whatever_a_program_said() -> None:
    error = RefusedError("first\n  second\tthird", "do this")
    assert str(error) == "first second third — do this"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made a moment ago
    assert isinstance(again, SluiceError)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            TRACEBACK,
            "sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedFunction) function f() does not exist",
        ),
        ("KeyError\n", "KeyError"),
        ("one\ntwo\nthree", "two\nthree"),
        (
            "psql:/sql/up.sql:3: ERROR:  function f() does not exist\nLINE 1: select f();\n  ^\nHINT:  None is.",
            "psql:/sql/up.sql:3: ERROR:  function f() does not exist",
        ),
        ("pg_restore: error: first\npg_restore: fatal: second\nthird", "pg_restore: fatal: second"),
        ("No Error here: really", "No Error here: really"),
        ("", ""),
    ],
)
def test_the_reason_is_the_line_that_names_the_exception(stderr: str, reason: str) -> None:
    assert result(stderr).reason() == reason
