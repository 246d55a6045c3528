"""What may be concluded of a dump without a table."""

from __future__ import annotations

import pytest

from tasks.commands.empty_dump import OtherDatabases, parse_others

FULL = "neighbour\tapp\t12\n"
EMPTY = "neighbour\tpostgres\t0\n"
APP = "container\tweb\n"
BEHIND = "behind\tDATABASE_URL of web\tstore\t0\n"


@pytest.mark.parametrize(
    ("text", "first", "known"),
    [
        ("", True, True),
        ("", False, False),
        (EMPTY, True, True),
        (EMPTY, False, False),
        (EMPTY + APP, True, False),
        (EMPTY + APP + BEHIND, False, True),
        (EMPTY + APP + BEHIND, True, True),
        (EMPTY + APP + BEHIND + "unknown\tdatabase behind URL of web\n", True, False),
        ("unknown\tdatabase a b\n" + APP + BEHIND, False, False),
        (FULL + APP + BEHIND, True, False),
        (APP + "behind\tDATABASE_URL of web\tstore\t3\n", True, False),
        (APP + BEHIND + "behind\tDATABASE_URL of web\tstore\n", True, False),
        (APP + BEHIND + "FATAL: something else\n", True, False),
        (APP + BEHIND + "neighbour\tapp\tmany\n", True, False),
    ],
)
def test_only_what_was_seen_to_be_empty_is_right(text: str, first: bool, known: bool) -> None:
    assert bool(parse_others(text).why_empty(first=first)) is known


def test_databases_with_tables_are_named() -> None:
    found = parse_others(FULL + APP + "behind\tDATABASE_URL of web\tstore\t3\n")
    assert found.full == (
        "database app of the same server (tables: 12)",
        "database store, where DATABASE_URL of web leads (tables: 3)",
    )
    assert found.services == ("web",)


def test_nothing_found_is_not_known() -> None:
    assert OtherDatabases().why_empty(first=False) == ""
