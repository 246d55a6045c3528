"""Text from outside is shown as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flows.domain.words.text import code, escape, fenced, one_line, printable, table
from tests.flows.domain.samples import HOSTILE

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
# Texts made of what Markdown, HTML and Jinja give a meaning, and of anything at all.
MARKS = "| ` ``` ~~~ {{ {% {# }} <b> --> &amp; & \\ # - 1. 1) + = [a](b) ![ ** __ _ http://a.b www.a.b x@y.z : $x$"
CONTROLS = ["\n", "\r", "# ", "- ", "    ", "\x1b[31m", "\u202e", "\u200b", "\u2028", "a", "é", "😀"]
SHARP = st.lists(st.sampled_from([*MARKS.split(" "), *CONTROLS]), max_size=12).map("".join)
ANY = st.one_of(SHARP, st.text(max_size=60))


def test_one_line_has_no_newline_and_says_where_it_was_cut() -> None:
    assert one_line(" a\n\tb  c ") == "a b c"
    assert one_line("x" * 10, 5) == "xxxx…"
    assert one_line("x" * 5, 5) == "xxxxx"
    assert one_line("x" * 9 + " " * 100, 9) == "xxxxxxxx…"
    assert one_line("") == ""


def test_what_a_terminal_would_act_on_becomes_visible() -> None:
    assert printable("a\x1b[31mb\u202ec") == "a\ufffd[31mb\ufffdc"


@given(ANY, st.integers(1, 50))
def test_one_line_is_printable_and_bounded(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(ANY)
def test_escaped_text_shows_exactly_itself(text: str) -> None:
    """One paragraph with one text, also as a paragraph's first thing: nothing was given a meaning."""
    shown = one_line(text)
    tokens = MARKDOWN.parse(escape(text))
    if not shown:
        assert tokens == []
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == shown


@given(ANY, ANY)
def test_a_cell_cannot_leave_its_cell(first: str, second: str) -> None:
    source = table(("One", "Two"), [(f"x{escape(first)}", f"x{escape(second)}")])
    tokens = MARKDOWN.parse(source)
    cells = [tokens[index + 1] for index, token in enumerate(tokens) if token.type == "td_open"]
    assert ["".join(child.content for child in cell.children or []) for cell in cells] == [
        one_line(f"x{one_line(first)}", 130).rstrip(),
        one_line(f"x{one_line(second)}", 130).rstrip(),
    ]


@given(ANY)
def test_no_template_opener_survives(text: str) -> None:
    for safe in (escape(text), code(text), fenced(text)):
        assert not any(opener in safe for opener in ("{{", "{%", "{#"))


@given(st.one_of(ANY, st.lists(st.sampled_from(["```", "````", "~~~", "\n", "a"]), max_size=20).map("".join)))
def test_nothing_ends_a_fence_from_within(text: str) -> None:
    tokens = MARKDOWN.parse(fenced(text, "diff"))
    assert tokens[0].type == "fence"
    assert tokens[0].info == "diff"
    assert {token.type for token in tokens[1:]} <= {"paragraph_open", "inline", "paragraph_close"}
    assert all("more lines" in t.content or "A space" in t.content for t in tokens if t.type == "inline")


def test_a_fence_shows_its_text_and_says_what_it_left_out() -> None:
    shown = fenced("a\n\tb {{x}}\n" + "c\n" * 5, "diff", max_lines=3, max_width=7)
    assert shown == (
        "```diff\na\n    b { {x}…\nc\n```\n\n4 more lines are not shown.\n"
        "A space was put between the opening braces of templates."
    )
    assert fenced("plain", "diff") == "```diff\nplain\n```"


@pytest.mark.parametrize("text", ["a1b2", "sha256-abc", "feature/x", "20261121053300-1f3c2ab00000"])
def test_identifiers_are_code(text: str) -> None:
    assert code(text) == f"`{text}`"


@pytest.mark.parametrize("text", ["a`b", "-rf", "a b", "x" * 121, "", HOSTILE, "a\n"])
def test_anything_else_is_escaped(text: str) -> None:
    assert code(text) == escape(text)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("WWW.evil.example", r"WWW\.evil.example"),
        ("see http://evil.example", r"see http\://evil.example"),
        ("fix: the table's `x` (#12)", r"fix: the table's \`x\` (#12)"),
        ("ftp://evil.example", r"ftp\://evil.example"),
        ("# no heading", r"\# no heading"),
        ("_a_ snake_case", r"\_a\_ snake_case"),
        ("__init__ a__b", r"\_\_init\_\_ a\_\_b"),
        ("a < b", "a &#60; b"),
        ("v1.4.0", "v1.4.0"),
        ("12. item", r"12\. item"),
        ("-x", r"\-x"),
        ("a-b", "a-b"),
    ],
)
def test_what_means_something_only_in_places_is_escaped_there(text: str, source: str) -> None:
    assert escape(text) == source
