"""The environment of server, worker and runs."""

from __future__ import annotations

import sys
from pathlib import Path

from deployments.control_plane.environment import control_plane_environment

HOME = Path("/srv/sluice")


def test_places_are_decided_here_whatever_the_caller_has() -> None:
    env = control_plane_environment(HOME, 4321, {"PREFECT_API_URL": "http://elsewhere/api", "KEEP": "me"})
    assert env["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert env["SLUICE_PREFECT_UI_URL"] == "http://127.0.0.1:4321"
    assert env["SLUICE_HOME"] == "/srv/sluice"
    assert env["PREFECT_HOME"] == "/srv/sluice/prefect"
    assert env["KEEP"] == "me"


def test_what_a_user_chose_stays() -> None:
    env = control_plane_environment(HOME, 4200, {"PREFECT_WORKER_QUERY_SECONDS": "5"})
    assert env["PREFECT_WORKER_QUERY_SECONDS"] == "5"
    assert control_plane_environment(HOME, 4200, {})["PREFECT_WORKER_QUERY_SECONDS"] == "0.5"


def test_nothing_is_sent_to_the_makers_of_prefect() -> None:
    env = control_plane_environment(HOME, 4200, {})
    assert env["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert env["DO_NOT_TRACK"] == "1"


def test_another_database_is_passed_on() -> None:
    url = "postgresql+asyncpg://prefect:secret@db/prefect"
    env = control_plane_environment(HOME, 4200, {"PREFECT_API_DATABASE_CONNECTION_URL": url})
    assert env["PREFECT_API_DATABASE_CONNECTION_URL"] == url


def test_python_is_the_one_that_has_sluice() -> None:
    own = str(Path(sys.executable).parent)
    assert (
        control_plane_environment(HOME, 4200, {"PATH": f"/usr/bin:{own}:/bin"})["PATH"]
        == f"{own}:/usr/bin:/bin"
    )
    assert control_plane_environment(HOME, 4200, {})["PATH"] == own


def test_a_profile_or_key_of_another_server_is_left_out() -> None:
    env = control_plane_environment(HOME, 4200, {"PREFECT_PROFILE": "work", "PREFECT_API_KEY": "pnu_1"})
    assert not {"PREFECT_PROFILE", "PREFECT_API_KEY"} & set(env)
