"""What programs print ends its lines with a line feed, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import tasks
from tasks.kernel.lines import lines

ROOT = Path(tasks.__file__).parent
# What they read is a message for people, or what a person typed.
MESSAGES = {
    "adapters/ssh.py",
    "database/copies.py",
    "database/postgresql/copies.py",
    "database/postgresql/dumps.py",
    "git/runner.py",
    "host/compose.py",
    "images/build.py",
    "kernel/protocols.py",
    "kernel/redact.py",
    "ledger/database.py",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("a\u2028b\x85c\x0c\r\nd", ["a\u2028b\x85c\x0c\r", "d"]),
    ],
)
def test_only_a_line_feed_ends_a_line(text: str, found: list[str]) -> None:
    assert lines(text) == found


def test_what_is_data_is_not_split_where_a_name_may_have_it() -> None:
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if ".splitlines(" in path.read_text()}
    assert found <= MESSAGES
