"""Text that reaches git, HTTP or a file system cannot become an option, climb out, or break a line."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.pipeline.checks import branch_name, ref_pattern, relative_path, socket_address, web_address
from blocks.pipeline.durations import format_duration, parse_duration

HOSTILE = [
    "",
    "-x",
    "../x",
    "a/../b",
    "/x",
    "a\nb",
    "a\0b",
    "a\x1bb",
    "~/x",
    "a:b",
    "a\\b",
    ".",
    "./-x",
    "./",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_paths_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path"):
        relative_path(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a.yaml", "a.yaml"), ("./a//b.yaml", "a/b.yaml"), (".env", ".env"), ("a/-b", "a/-b")],
)
def test_paths_are_normalised(value: str, expected: str) -> None:
    assert relative_path(value) == expected


@given(st.text(max_size=30))
def test_an_accepted_path_stays_inside(value: str) -> None:
    try:
        path = relative_path(value)
    except ValueError:
        return
    parts = PurePosixPath(path).parts
    assert parts
    assert ".." not in parts
    assert not path.startswith(("/", "-", "~"))
    assert relative_path(path) == path


@pytest.mark.parametrize(
    "value",
    ["", "-x", "a b", "a..b", "a~", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "@", "a@{b", "/a", "a/", "a//b",
     ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a\n", "a\x7f"],
)  # fmt: skip
def test_what_git_forbids_is_no_branch(value: str) -> None:
    with pytest.raises(ValueError, match="expected the name of one branch"):
        branch_name(value)


@pytest.mark.parametrize("value", ["main", "feature/x-1", "a$(id)", "v1.0", "ünïcode", "a;b", "a'b"])
def test_what_git_allows_is_a_branch(value: str) -> None:
    assert branch_name(value) == value
    assert ref_pattern(value) == value


@pytest.mark.parametrize("value", ["*", "feature/*", "v[0-9]*", "v?"])
def test_patterns(value: str) -> None:
    assert ref_pattern(value) == value


@pytest.mark.parametrize("value", ["", "-x", "a b", "a..b", "/a", "a/", "a\n", "a:b"])
def test_what_is_no_pattern(value: str) -> None:
    with pytest.raises(ValueError, match="expected a branch or tag"):
        ref_pattern(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://shop.example.com/app/", "https://shop.example.com/app"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_web_addresses(value: str, expected: str) -> None:
    assert web_address(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "localhost:80", "ftp://x", "file:///etc/passwd", "http://", "http://a b", "http://a\n", "http://x?q=1",
     "http://x#f", "http://x:99999", "http://x:0", "http://[x", "javascript:alert(1)", "http://u:p@x", "http://u@x"],
)  # fmt: skip
def test_what_is_no_web_address(value: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        web_address(value)


@pytest.mark.parametrize("value", ["db:5432", "localhost:1", "10.0.0.1:65535", "[::1]:80"])
def test_socket_addresses(value: str) -> None:
    assert socket_address(value) == value


@pytest.mark.parametrize(
    "value", ["db", "db:", ":80", "db:0", "db:65536", "-x:80", "a b:80", "::1:80", "db:80\n"]
)
def test_what_is_no_socket_address(value: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        socket_address(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("24h", 86400),
        ("7d", 604800),
        ("1h30m", 5400),
        ("0s", 0),
        ("0.5s", 0.5),
        (30, 30),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "s", "-1s", "1 m", "1w", "15min", "1s\n", "٣s", "9" * 400 + "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e12])
def test_numbers_that_are_no_duration(value: float) -> None:
    with pytest.raises(ValueError, match="between"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=366 * 86400))
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
