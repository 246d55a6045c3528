"""What may be concluded of a dump without a table."""

from __future__ import annotations

import pytest

from tasks.database.commands.empty_dump import OtherDatabases, parse_others

SINCE = "2026-11-26 06:00:00.123456+00"
DUMPED = f"dumped\tshop\t0\t{SINCE}\n"
FULL = f"neighbour\tapp\t12\t{SINCE}\n"
EMPTY = f"neighbour\tpostgres\t0\t{SINCE}\n"
APP = "container\tweb\n"
BEHIND = "behind\tDATABASE_URL\tweb\tstore\t0\tlong ago\n"
OWN = f"behind\tDATABASE_URL\tweb\tshop\t0\t{SINCE}\n"
ELSEWHERE = "behind\tDATABASE_URL\tweb\tstore\t3\tlong ago\n"
SAME_NAME = "behind\tDATABASE_URL\tweb\tshop\t3\tlong ago\n"
HOST = "server\tDB_HOST\tweb\n"
# Tools beside the application: an exporter that asks the dumped database, a login service with one of its own.
EXPORTER = f"container\texporter\nbehind\tDATA_SOURCE_NAME\texporter\tshop\t0\t{SINCE}\n"
LOGIN = f"container\tlogin\nbehind\tKC_URL\tlogin\tapp\t12\t{SINCE}\n"
NOT_ASKED = "unknown\tdatabase rdsadmin\n"


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
        (APP + ELSEWHERE, True, False),
        (APP + BEHIND + "behind\tDATABASE_URL of web\tstore\n", True, False),
        (APP + BEHIND + "FATAL: something else\n", True, False),
        (APP + BEHIND + "neighbour\tapp\tmany\tx\n", True, False),
        # Where the application leads to the dumped database, others say nothing.
        (DUMPED + FULL + APP + OWN, False, True),
        (DUMPED + FULL + APP + OWN + LOGIN, False, True),
        (DUMPED + NOT_ASKED + APP + OWN, False, True),
        (DUMPED + APP + OWN + ELSEWHERE, False, False),
        (DUMPED + APP + SAME_NAME, True, False),
        # One that has its address in parts leads to the server at least.
        (DUMPED + EMPTY + APP + HOST, False, True),
        (DUMPED + FULL + APP + HOST, True, False),
        (DUMPED + NOT_ASKED + APP + HOST, True, False),
        # A tool's connection is not the application's.
        (DUMPED + APP + EXPORTER, False, False),
        (DUMPED + FULL + APP + EXPORTER, True, False),
        # What the env file of a first deployment leads to.
        (DUMPED + EMPTY + "behind\tDATABASE_URL\t\tstore\t3\tlong ago\n", True, False),
        (DUMPED + EMPTY + "unknown\tdatabase behind URL of the env file\n", True, False),
        (DUMPED + EMPTY + "server\tDATABASE_URL\t\n", True, True),
    ],
)
def test_only_what_was_seen_to_be_empty_is_right(text: str, first: bool, known: bool) -> None:
    assert bool(parse_others(text).why_empty(first=first, migrating="web")) is known


@pytest.mark.parametrize(
    ("text", "agreed", "named"),
    [
        (FULL, False, "database app of the same server (tables: 12)"),
        # Who names the dumped database and says that it may be empty knows of the others.
        (FULL, True, ""),
        (FULL + LOGIN, True, ""),
        (ELSEWHERE, False, "database store (tables: 3), where DATABASE_URL of web leads,"),
        (ELSEWHERE, True, "database store (tables: 3), where DATABASE_URL of web leads,"),
        (DUMPED + OWN + ELSEWHERE, False, "database store (tables: 3), where DATABASE_URL of web leads,"),
        (DUMPED + OWN + ELSEWHERE, True, ""),
    ],
)
def test_databases_with_tables_are_named(text: str, agreed: bool, named: str) -> None:
    assert parse_others(text).against("web", agreed=agreed) == named


HELD = f"dumped\tshop\t4\t{SINCE}\n"
AWAY = "elsewhere\tDB_HOST\tweb\n"
NAMES = "named\tDB_NAME\tweb\t"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HELD + APP + ELSEWHERE, "DATABASE_URL of web leads to database store (tables: 3)"),
        (HELD + APP + BEHIND, "DATABASE_URL of web leads to database store (tables: 0)"),
        (HELD + APP + AWAY, "DB_HOST of web leads to another server"),
        (HELD + FULL + APP + HOST + NAMES + "app\n", "DB_NAME of web names database app (tables: 12)"),
        (HELD + EMPTY + "elsewhere\tDB_HOST\t\n", "DB_HOST of the env file leads to another server"),
        # It is the dumped one, or nothing shows that it is not.
        (HELD + APP + OWN.replace("\t0\t", "\t4\t") + ELSEWHERE + AWAY, ""),
        (HELD + FULL + APP + HOST + NAMES + "shop\n" + NAMES + "app\n", ""),
        (HELD + FULL + APP + HOST + AWAY, ""),
        (HELD + FULL + APP + HOST + NAMES + "postgres\n", ""),
        (HELD + FULL + APP + LOGIN, ""),
        (HELD + FULL + APP + "elsewhere\tDB_HOST\t\n", ""),
        (HELD + FULL + APP, ""),
    ],
)
def test_tables_of_somebody_else_are_known_by_where_the_service_that_migrates_leads(
    text: str, told: str
) -> None:
    assert parse_others(text).instead("web") == told


def test_a_database_that_knows_nothing_of_the_migrations_is_somebody_elses() -> None:
    assert "database app of the same server" in parse_others(HELD + FULL + APP + HOST).instead(
        "web", unversioned=True
    )
    assert parse_others(HELD + EMPTY + APP + HOST).instead("web", unversioned=True) == ""


def test_nothing_found_is_not_known() -> None:
    assert OtherDatabases().why_empty(first=False) == ""
    assert parse_others(FULL + APP).services == ("web",)
