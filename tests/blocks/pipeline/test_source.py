"""YAML is read with its lines, in the small core that surprises nobody, and within limits."""

from __future__ import annotations

import time
from typing import Any

import pytest

from blocks.pipeline.source import DEEPEST, LARGEST_CHARACTERS, MOST_NODES, read_document


def data_of(text: str) -> Any:
    document = read_document(text)
    assert document.problems == []
    return document.data


def refusal_of(text: str) -> tuple[int | None, str]:
    problem = read_document(text).problems[0]
    return problem.line, problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("on", "on"),
        ("yes", "yes"),
        ("8:30", "8:30"),
        ("1_000", "1_000"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("-17", -17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("2026-11-21", "2026-11-21"),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("!!int '7'", 7),
        ("99999999999999999999", "99999999999999999999"),
        ("<<", "<<"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    assert data_of(f"key: {text}") == {"key": value}


def test_keys_are_text() -> None:
    assert data_of("{1: a, true: b, null: c}") == {"1": "a", "true": "b", "null": "c"}


def test_every_key_has_its_line() -> None:
    document = read_document("a:\n  b:\n    - x\n    - y: 1\n")
    assert document.lines[("a", "b", 1, "y")] == 4
    assert document.line_of(("a", "b", 1, "z", "deeper")) == 4
    assert document.line_of(("nowhere",)) == 1


def test_anchors_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse: {<<: [*b, *o], x: 9}\nsame: *b\n"
    document = read_document(text)
    assert document.data["use"] == {"x": 9, "y": 2, "z": 4}
    assert document.data["same"] == {"x": 1, "y": 2}
    assert document.lines[("use", "z")] == 2


def test_duplicate_keys_are_told_with_both_lines() -> None:
    assert refusal_of("a: 1\nb: 2\na: 3\n") == (3, "given twice, first on line 1 — remove one")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [1\nb: 2", 2, "not readable as YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2", 2, "not readable as YAML: found character '\\t'"),
        ("a: *nowhere", 1, "not readable as YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", 2, "not readable as YAML: but found another document"),
        ("a: 1\nb: \x07", 2, "not readable as YAML: a character that YAML does not allow"),
        ('a: 1\nb: "\\UFFFFFFFF"', 1, "not readable as YAML"),
        ("a: 1\nb: !reset x", 2, 'the tag "!reset" is not supported here'),
        ("a: 1\nb: !!python/object:os.system {}", 2, "the tag"),
        ("a: 1\nb: !!int x", 2, '"x" cannot be read as int'),
        ("a: 1\nb: !!bool x", 2, '"x" cannot be read as bool'),
        ("a: 1e999", 1, '"1e999" cannot be read as float'),
        ('a: "\\uD800"', 1, '"�" cannot be read as str'),
        ('"\\uD800": 1', 1, "a key contains half of a surrogate pair"),
        ("? [a]\n: 1", 1, "a key must be plain text"),
        ("a: {<<: 7}", 1, "<< takes an alias of keys with values, or a list of them"),
    ],
)
def test_refused_with_the_line(text: str, line: int, message: str) -> None:
    found_line, found = refusal_of(text)
    assert found_line == line
    assert found.startswith(message)


def test_too_large() -> None:
    assert "larger than" in refusal_of("#" * (LARGEST_CHARACTERS + 1))[1]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_too_deep_is_refused_without_recursion(opening: str) -> None:
    line, message = refusal_of("x:\n " + opening * 10_000)
    assert line == 2
    assert message.endswith(f"nested deeper than {DEEPEST} levels")


def test_too_many_entries_are_refused_before_all_are_read() -> None:
    began = time.process_time()
    assert f"more than {MOST_NODES} entries" in refusal_of("- " + "[1" + ",1" * 40_000)[1]
    assert time.process_time() - began < 10


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    began = time.process_time()
    assert refusal_of(bomb)[1].startswith(f"more than {MOST_NODES} entries")
    assert time.process_time() - began < 10


def test_a_merge_bomb_is_refused_at_once() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(1_000))
    bomb = f"a: &a {{{keys}}}\nb: {{<<: [{', '.join(['*a'] * 1_000)}]}}\n"
    began = time.process_time()
    assert "too often" in refusal_of(bomb)[1]
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}"])
def test_an_alias_of_itself_is_refused(text: str) -> None:
    assert refusal_of(text)[1]
