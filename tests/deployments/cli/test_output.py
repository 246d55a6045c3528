"""What commands print."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from deployments.cli.output import ago, answer, counted, moment, print_section, print_table

AT = datetime(2026, 11, 20, 9, 5, tzinfo=UTC)


def test_in_a_pipe_each_row_is_one_line_however_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "WHY"), [("a", "x" * 300), ("long name", "two\nlines")])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "NAME       WHY"
    assert first == f"a          {'x' * 300}"
    assert "two" in second
    assert "lines" in second


def test_nothing_from_outside_is_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME",), [("[red]x[/red] :smile: \x1b[31m",)])
    shown = capsys.readouterr().out.splitlines()[1]
    assert shown.startswith("[red]x[/red] :smile:")
    assert "\x1b" not in shown


def test_a_section_has_its_title_and_is_left_out_where_it_is_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_section("On hold", ("PLACE",), [])
    assert capsys.readouterr().out == ""
    print_section("On hold", ("PLACE",), [("shop prod",)])
    assert capsys.readouterr().out == "\nOn hold\nPLACE\nshop prod\n"


def test_an_answer_is_a_line_or_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    answer("grace is removed", {"removed": "grace"}, as_json=False)
    assert capsys.readouterr().out == "grace is removed\n"
    answer("grace is removed", {"removed": "grace"}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"removed": "grace"}


def test_times_and_numbers() -> None:
    assert (moment(AT), moment(None)) == ("2026-11-20 09:05 UTC", "-")
    assert ago(AT, AT + timedelta(minutes=3)).endswith(" ago")
    assert (counted(1, "hold"), counted(2, "hold")) == ("1 hold", "2 holds")
