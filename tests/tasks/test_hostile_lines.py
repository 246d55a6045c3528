"""What strangers write into a log is read in a time that grows as it does.

Few lines, and long ones: twice the length costs the code here twice as much, and careless code four times.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from blocks.values.watch import LogSummary
from tasks.host.env_file import parse_env, required_keys
from tasks.kernel.redact import Redactor
from tasks.targets.compose.commands.service_logs import (
    MOST_BYTES,
    MOST_BYTES_AT_ONCE,
    bytes_of,
    parse_logs,
    parse_moment,
    read_logs,
)
from tasks.watch.commands.log_errors import LogPatterns, find_errors, matches
from tasks.watch.commands.log_levels import error_text
from tasks.watch.commands.mask import LONGEST_LINE, mask, plain, scrub
from tests.tasks.hostile import STARTS, URL, hostile

# All of this takes some seconds; what goes through a line twice for each of its characters would take hours.
pytestmark = pytest.mark.timeout(60)

NO_PATTERNS = LogPatterns()
BEFORE = Redactor(["hunter2", "a" * 40, "ab" * 20, "-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----"])
READERS: dict[str, Callable[[str], object]] = {
    "mask": mask,
    "scrub": scrub,
    "plain": plain,
    "error_text": error_text,
    "matches": lambda line: matches("*a*b*" + "aa*" * 20, line),
    "parse_moment": parse_moment,
    "redact": BEFORE.text,
}


@pytest.mark.parametrize("name", READERS)
def test_one_long_line(name: str) -> None:
    """A function that goes through a line for each character would need 9 * 10^8 steps for each of these."""
    read = READERS[name]
    for line in hostile(30_000):
        read(line)


def test_one_long_line_of_each_format() -> None:
    for line in hostile(LONGEST_LINE, *STARTS):
        find_errors("web", [line], NO_PATTERNS)


def test_many_lines_with_a_long_address() -> None:
    lines = [f"{URL}{number}" for number in range(2_000)]
    assert find_errors("web", lines, NO_PATTERNS) == ()
    (found,) = find_errors("web", [line.replace("INFO", "ERROR") for line in lines], NO_PATTERNS)
    assert found.count == 2_000


def test_lines_of_nothing_but_what_announces_a_secret() -> None:
    """Before, these took four minutes."""
    lines = [f"INFO https://example.com/?{'token' * 400}"] * 3_000
    assert find_errors("web", lines, NO_PATTERNS) == ()


@pytest.mark.parametrize(
    "block",
    [
        ("Traceback (most recent call last):",),
        ("  Traceback (most recent call last):", ""),
        ("Traceback (most recent call last):", "", "KeyError: 1", ""),
        ("Traceback (most recent call last):", "  x", "KeyError: 1"),
        ("  x", "KeyError: 1"),
        ("", ""),
        ("During handling of the above exception, another exception occurred:", "KeyError: 1"),
        ("  + Exception Group Traceback (most recent call last):", "  | KeyError: 1"),
    ],
)
def test_many_lines_of_tracebacks(block: tuple[str, ...]) -> None:
    """It comes to its end: none of these makes the reader step back to the first line at each one."""
    lines = ["Traceback (most recent call last):", *(block * (5_000 // len(block)))]
    find_errors("web", lines, NO_PATTERNS)


def test_a_megabyte_on_one_line_is_cut_and_what_it_says_is_found() -> None:
    line = json.dumps({"time": 1, "level": "error", "msg": "x" * 10**6})
    (found,) = find_errors("web", [line], NO_PATTERNS)
    assert found.text.startswith("ERROR {")
    assert find_errors("web", [line.replace("error", "info")], NO_PATTERNS) == ()
    assert len(plain(line)) == LONGEST_LINE
    (numbered,) = find_errors("web", [line.replace('"error"', "50")], NO_PATTERNS)
    assert numbered.count == 1


def test_half_a_character_that_json_can_name_breaks_nothing() -> None:
    """JavaScript writes one where it cuts a text between the halves of an emoji; no other program can encode it."""
    lines = [r'{"level":"error","msg":"cut \ud83d"}', r'{"level":"error","\ud83d":1}', r'{"level":"\udd8a"}']
    found = find_errors("web", lines, NO_PATTERNS)
    assert [one.text for one in found] == ["ERROR cut ?", "ERROR level, ?"]
    summary = LogSummary(host="prod", errors=found)
    assert LogSummary.from_json(summary.to_json()) == summary


def test_a_stamp_that_is_none_breaks_nothing() -> None:
    assert parse_moment("2026-11-26T06:00:00.\u00b2\u00b2\u00b2Z") == datetime(2026, 11, 26, 6, tzinfo=UTC)
    assert parse_moment("2026-11-26T06:00:00.\u0661Z") == datetime(2026, 11, 26, 6, tzinfo=UTC)


def test_of_all_containers_together_no_more_is_read_than_of_a_few() -> None:
    assert bytes_of(1) == bytes_of(4) == MOST_BYTES
    many = {f"c{number}": 60 for number in range(100)}
    argv = read_logs("mark", many, dict.fromkeys(many, datetime(2026, 11, 26, tzinfo=UTC)))
    assert str(bytes_of(200)) in argv
    assert bytes_of(200) * 200 <= MOST_BYTES_AT_ONCE
    full = "2026-11-26T06:00:00Z " + "x" * (bytes_of(100) - 30)
    text = "mark now 1764136800\n" + "".join(f"mark log {name}\n{full}\nmark end 0\n" for name in many)
    assert all(one.capped for one in parse_logs("mark", text).containers.values())


def test_an_env_file_with_an_open_quote_and_many_lines() -> None:
    closed = "A='" + "line\n" * 100_000 + "end'\nB=1"
    assert parse_env(closed)["B"] == "1"
    assert required_keys("A=1 " + "#" * 100_000) == ("A",)
    assert required_keys("A=1 " + "#" * 100_000 + " optional") == ()


def test_a_secret_is_hidden_wherever_it_stands_among_many() -> None:
    redactor = Redactor([f"secret-number-{number}" for number in range(50)])
    text = "x" * 10**6 + " secret-number-49 secret-number-4 " + "secret-number-" * 50_000
    assert "secret-number-4" not in redactor.text(text).replace("secret-number-secret", "")
