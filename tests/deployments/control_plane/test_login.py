"""The login of Prefect's API: made once, for its owner's eyes, and never mistaken for another server's."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.context import root_settings_context

from blocks.settings import Settings
from deployments.control_plane import processes
from deployments.control_plane.connect import active_profile, find_login
from deployments.control_plane.environment import POOL, control_plane_environment, process_file
from deployments.control_plane.login import CLIENT, SERVER, ensure_login, login_file
from deployments.control_plane.prefect_api import PrefectApi
from deployments.control_plane.processes import Running
from deployments.control_plane.profile import remember
from deployments.control_plane.server import host_name, level_of_the_wire
from deployments.doctor.access import _login, _names, access_checks
from deployments.doctor.control import _deployed, expected_deployments
from tasks.kernel.errors import TerminalError
from tests.deployments.conftest import Sluice
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port

URL = "http://127.0.0.1:4200/api"
TEAM = "https://prefect.example.org/api"


def test_it_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        made = ensure_login(home, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(login_file(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert made.text == login_file(home).read_text().strip()
    assert made.place == str(login_file(home))
    assert ensure_login(home, {}).text == made.text
    assert made.text not in repr(made)
    assert list(home.iterdir()) == [login_file(home)]
    assert ensure_login(tmp_path / "other", {}).text != made.text


def test_of_many_at_once_all_have_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deployments.control_plane.login import ensure_login; "
        "print(ensure_login(Path(sys.argv[1]), {}).text)"
    )
    argv = (sys.executable, "-P", "-c", code, str(tmp_path))
    with ThreadPoolExecutor() as pool:
        said = list(
            pool.map(lambda _: subprocess.run(argv, capture_output=True, check=True).stdout, range(4))
        )
    assert len(set(said)) == 1


def test_a_login_of_the_users_own_counts_first(tmp_path: Path) -> None:
    for name in (SERVER, CLIENT):
        given = ensure_login(tmp_path, {name: "me:mine"}, "profile:one")
        assert (given.text, given.place) == ("me:mine", f"{name} in your environment")
        assert given.variables == {SERVER: "me:mine", CLIENT: "me:mine"}
    assert ensure_login(tmp_path, {SERVER: "me:mine", CLIENT: "me:mine"}).text == "me:mine"
    assert ensure_login(tmp_path, {SERVER: ""}, "profile:one").text == "profile:one"
    assert not login_file(tmp_path).exists()


def of(tmp_path: Path, inherited: dict[str, str]) -> str:
    return LabPlane(tmp_path, 4300, inherited=inherited).login.text


@pytest.mark.usefixtures("home")
def test_a_login_beside_another_servers_address_is_not_used(tmp_path: Path) -> None:
    """It would become the one of the server here, and stand in its profile."""
    elsewhere = {"PREFECT_API_URL": TEAM, CLIENT: "team:secret"}
    assert of(tmp_path, elsewhere) == login_file(tmp_path).read_text().strip()
    assert of(tmp_path, {**elsewhere, SERVER: "me:mine"}) == "me:mine"
    assert (
        of(tmp_path, {**elsewhere, "SLUICE_PREFECT_UI_URL": "https://prefect.example.org"}) == "team:secret"
    )
    assert of(tmp_path, {**elsewhere, "PREFECT_API_URL": "http://localhost:4300/api"}) == "team:secret"


@pytest.fixture
def left(home: Path) -> Iterator[Callable[..., Running]]:
    """Play a part of a control plane whose server died."""
    started = []

    def start(name: str, **env: str) -> Running:
        part = processes.start(name, ("sleep", "600"), env=env, cwd=home, log=home / "logs" / name)
        part.save(process_file(home, name))
        started.append(part)
        return part

    yield start
    for part in started:
        part.stop(first=signal.SIGKILL, grace_seconds=0)


def test_what_still_runs_can_be_ended_whatever_login_there_is(
    home: Path, sluice: Sluice, left: Callable[..., Running]
) -> None:
    receiver = left("receiver", **{SERVER: "me:mine"})
    login_file(home).write_text("no login")
    assert LabPlane(home, 4300).login.text == "me:mine"
    assert sluice("down").code == 0
    assert not receiver.alive()


def test_what_runs_is_written_down_where_nobody_else_can_change_it(
    home: Path, left: Callable[..., Running]
) -> None:
    """Also in a home that was there before, and whatever this process leaves open."""
    home.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        left("receiver", **{SERVER: "me:mine"})
    finally:
        os.umask(before)
    assert [stat.S_IMODE((home / name).stat().st_mode) for name in ("run", "logs")] == [0o700, 0o700]


def test_a_worker_of_an_earlier_version_is_told_apart(
    home: Path, sluice: Sluice, left: Callable[..., Running]
) -> None:
    """It would ask the new server for runs for ever, and get none."""
    left("worker", HOME=str(home))
    assert sluice("up", "--once-ready", "--port", str(free_port())).err == (
        "sluice: what still runs knows no login: an earlier version started it — `sluice down`, then `sluice up`: "
        "waiting runs continue afterwards\n"
    )
    assert not login_file(home).exists()


def test_a_login_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    login_file(tmp_path).symlink_to(tmp_path / "nowhere")
    with pytest.raises(TerminalError, match="cannot be read: No such file"):
        ensure_login(tmp_path, {})


def test_it_is_in_no_log_whatever_the_level_is() -> None:
    """What a websocket sends is logged with a gap, so that nothing could be told from it, but nearly all is there."""
    code = (
        "import base64, logging; from deployments.control_plane.login import keep_out_of_logs; "
        "logging.basicConfig(level=logging.DEBUG); keep_out_of_logs('admin:secret-of-43-letters'); "
        "sent = base64.b64encode(b'admin:secret-of-43-letters').decode(); "
        "logging.getLogger('hpack').debug('Adding (authorization, Basic %s)', sent); "
        "logging.getLogger('websockets.client').debug('> TEXT token admin:secret...43-letters'); "
        "logging.getLogger('websockets.client').info('connected')"
    )
    done = subprocess.run((sys.executable, "-P", "-c", code), capture_output=True, text=True, check=True)
    assert done.stderr == (
        "DEBUG:hpack:Adding (authorization, Basic •••)\nINFO:websockets.client:connected\n"
    )


@pytest.mark.parametrize(("asked", "level"), [("DEBUG", logging.INFO), ("WARNING", logging.WARNING)])
def test_the_server_logs_no_request_whole(asked: str, level: int) -> None:
    assert level_of_the_wire(asked) == level


def test_two_logins_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="are different"):
        ensure_login(tmp_path, {SERVER: "me:mine", CLIENT: "me:other"})


@pytest.mark.parametrize(
    "kept", ["", "admin", ":secret", "admin:", "admin:two words", "admin:pässword", "a:b\nc:d"]
)
def test_a_file_without_a_login_is_named(tmp_path: Path, kept: str) -> None:
    login_file(tmp_path).write_text(kept)
    with pytest.raises(TerminalError, match="api-login is not a login"):
        ensure_login(tmp_path, {})


@pytest.fixture
def profiles(home: Path) -> Path:
    del home
    file = Path(os.environ["PREFECT_HOME"]) / "profiles.toml"
    file.parent.mkdir()
    return file


def remembered(url: str = URL, login: str = "admin:secret") -> str:
    """Do what `sluice up` does in a process of its own: what that needs, importing Prefect, is there already."""
    # The first knows the folder, the second what is in it.
    with root_settings_context(), root_settings_context():
        return f"{remember(url, login)}\n"


def remembered_apart(url: str = URL, login: str = "admin:secret") -> str:
    """Run what `sluice up` runs."""
    argv = (sys.executable, "-P", "-m", "deployments.control_plane.profile")
    told = json.dumps({"url": url, "login": login})
    return subprocess.run(argv, input=told, text=True, capture_output=True, check=True, timeout=300).stdout


def test_a_profile_gets_the_login_and_keeps_what_else_it_has(profiles: Path) -> None:
    profiles.write_text(
        f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{URL.replace("127.0.0.1", "localhost")}"\n'
        'PREFECT_LOGGING_LEVEL = "DEBUG"\n[profiles.team]\n'
        f'PREFECT_API_URL = "{TEAM}"\nPREFECT_API_KEY = "pnu_1"\n'
    )
    profiles.chmod(0o644)
    assert remembered() == f"your Prefect profile mine knows address and login ({profiles})\n"
    assert stat.S_IMODE(profiles.stat().st_mode) == 0o600
    after = profiles.read_text()
    assert tomllib.loads(after) == {
        "active": "mine",
        "profiles": {
            "mine": {"PREFECT_API_URL": URL, CLIENT: "admin:secret", "PREFECT_LOGGING_LEVEL": "DEBUG"},
            "team": {"PREFECT_API_URL": TEAM, "PREFECT_API_KEY": "pnu_1"},
        },
    }
    remembered()
    assert profiles.read_text() == after


def test_a_profile_for_another_server_stays(profiles: Path) -> None:
    team = f'[profiles.team]\nPREFECT_API_URL = "{TEAM}"\nPREFECT_API_AUTH_STRING = "team:secret"\n'
    profiles.write_text(f'active = "team"\n{team}')
    said = remembered()
    assert f"team is for {TEAM} and stays; type `prefect --profile sluice …`" in said
    found = tomllib.loads(profiles.read_text())
    assert found["active"] == "team"
    assert found["profiles"] == {
        "team": {"PREFECT_API_URL": TEAM, CLIENT: "team:secret"},
        "sluice": {"PREFECT_API_URL": URL, CLIENT: "admin:secret"},
    }
    profiles.write_text(
        f'active = "team"\n{team}[profiles.sluice]\nPREFECT_API_URL = "https://other.example/api"\n'
    )
    before = profiles.read_text()
    assert f"for this one export PREFECT_API_URL={URL} and {CLIENT}" in remembered()
    assert profiles.read_text() == before


def test_where_there_is_no_profile_one_is_made_for_its_owner_alone(profiles: Path) -> None:
    before = os.umask(0)
    try:
        remembered_apart()
    finally:
        os.umask(before)
    assert stat.S_IMODE(profiles.stat().st_mode) == 0o600
    assert tomllib.loads(profiles.read_text())["profiles"]["ephemeral"][CLIENT] == "admin:secret"


def found_in(home: Path) -> list[tuple[str, str]]:
    (_, kept) = access_checks(Settings(home=home))
    return [(one.level, one.what) for one in kept.look()]


def test_the_doctor_sees_who_can_read_a_login(profiles: Path, home: Path) -> None:
    ensure_login(home, {})
    fine = [("ok", f"{login_file(home)} can only be read by its owner")]
    profiles.write_text(
        f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{TEAM}"\n'
        f'[profiles.sluice]\nPREFECT_API_URL = "{URL}"\n{CLIENT} = "admin:secret"\n'
    )
    profiles.chmod(0o600)
    assert found_in(home) == fine
    profiles.chmod(0o640)
    (kept,) = found_in(home)[1:]
    assert kept == ("fail", f"others on this machine can read {profiles}, which has a login in it")
    profiles.chmod(0o600)
    home.chmod(0o755)
    assert found_in(home)[1:] == [("warn", f"others on this machine can read what is in {home}")]
    home.chmod(0o770)
    assert found_in(home)[1:] == [("fail", f"others on this machine can change what is in {home}")]
    home.chmod(0o700)
    assert found_in(home) == fine


@pytest.mark.parametrize(
    ("url", "code", "levels"),
    [
        (URL, 200, ["fail", "fail"]),
        (URL, 401, ["ok", "ok"]),
        # Who is busy, or elsewhere, has refused nobody.
        (URL, 503, ["fail", "fail"]),
        (URL, 307, ["fail", "fail"]),
        # A page that takes the name of such a server has no certificate for it.
        (TEAM, 200, ["fail", "ok"]),
    ],
)
def test_only_a_refusal_is_a_shut_door(url: str, code: int, levels: list[str]) -> None:
    api = PrefectApi(url, login="")
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(code))) as client:
        assert [look(api, client).level for look in (_login, _names)] == levels


@pytest.mark.parametrize(("pool", "level"), [(POOL, "ok"), ("open", "fail"), (None, "fail")])
def test_a_deployment_in_a_pool_with_another_template_is_seen(pool: str | None, level: str) -> None:
    class Deployed(PrefectApi):
        def deployments(self) -> list[dict[str, Any]]:
            names = [name.split("/") for name in expected_deployments()]
            return [
                {"entrypoint": f"flows.x.{flow}", "name": name, "work_pool_name": pool}
                for flow, name in names
            ]

    assert _deployed(Deployed(URL, login="")).level == level


def test_a_login_goes_to_its_own_server_only(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles.write_text(f'active = "a"\n[profiles.a]\nPREFECT_API_URL = "{URL}"\n{CLIENT} = "admin:secret"\n')
    monkeypatch.delenv(CLIENT, raising=False)
    assert find_login(Settings(), URL) == "admin:secret"
    assert find_login(Settings(), URL.replace("127.0.0.1", "localhost") + "/") == "admin:secret"
    assert find_login(Settings(), TEAM) == ""
    assert active_profile().login_at(TEAM) is None
    monkeypatch.setenv(CLIENT, "me:mine")
    assert find_login(Settings(), TEAM) == "me:mine"


def test_only_the_own_ui_may_read_and_only_own_names_are_answered() -> None:
    origins = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
    env = control_plane_environment(Path("/h"), 4200, {"SLUICE_PREFECT_UI_URL": "http://127.0.0.1:9"})
    assert env[origins] == "http://127.0.0.1:4200,http://localhost:4200"
    assert "SLUICE_API_HOSTS" not in env
    given = {
        "SLUICE_PREFECT_UI_URL": "https://Prefect.example.org/",
        "SLUICE_API_HOSTS": "one.example:8, localhost",
    }
    env = control_plane_environment(Path("/h"), 4200, given)
    assert env[origins].endswith(",https://prefect.example.org")
    assert env["SLUICE_API_HOSTS"] == "one.example,prefect.example.org"
    assert (
        control_plane_environment(Path("/h"), 4200, {origins: "https://a.example"})[origins]
        == "https://a.example"
    )


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("LOCALHOST:4200", "localhost"),
        ("localhost.", "localhost"),
        ("[0:0:0:0:0:0:0:1]:80", "::1"),
        ("::1", None),
        ("[localhost]", None),
        ("a@localhost", None),
        ("localhost:80:80", None),
        ("localhost, evil.example", None),
        ("", None),
        (".", None),
    ],
)
def test_a_host_is_compared_without_port_case_and_dot(host: str, name: str | None) -> None:
    assert host_name(host) == name
