"""What somebody without the login, or a web page, can do to the server that `sluice up` starts: nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from prefect.server.api.server import API_ROUTERS
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from deployments.control_plane.parts import (
    port_is_free,
    start_receiver,
    start_server,
    start_worker,
)
from tasks.kernel.errors import TerminalError
from tests.lab.plane import LabPlane
from tests.lab.ports import free_port
from tests.lab.shell import wait_until

EVIL = "http://evil.example"
SOCKETS = (
    "/api/events/in",
    "/api/events/out",
    "/api/logs/out",
    "/api/task_runs/subscriptions/scheduled",
    "/api/work_pools/sluice/workers/connect",
)
PAGES = (
    "/docs",
    "/docs/",
    "/docs/oauth2-redirect",
    "/redoc",
    "/openapi.json",
    "/api/docs",
    "/api/openapi.json",
)
# Asked before there is a login: that the server is up, and how the UI asks for the login.
OPEN = {"/health", "/ready"}


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


WRONG = {
    "none": None,
    "another": basic("admin:guess"),
    "empty": "Basic",
    "half": basic("admin:"),
    "beyond ASCII": basic("admin:pässword"),
    "no base64": "Basic ?",
    "another scheme": "Bearer admin:guess",
}


@pytest.fixture
def login(prefect_server: LabPlane) -> str:
    return prefect_server.env["PREFECT_API_AUTH_STRING"]


@pytest.fixture
def stranger(prefect_server: LabPlane) -> Iterator[httpx.Client]:
    """Somebody on this machine who was given nothing."""
    with httpx.Client(base_url=prefect_server.url, trust_env=False, timeout=60) as client:
        yield client


def test_a_stranger_cannot_read_secrets_or_start_commands(stranger: httpx.Client) -> None:
    secrets = stranger.post("/api/block_documents/filter", json={"include_secrets": True})
    assert (secrets.status_code, "Unauthorized" in secrets.text) == (401, True)
    assert stranger.post("/api/deployments/filter", json={}).status_code == 401
    assert stranger.post("/api/flow_runs/", json={"flow_id": "x"}).status_code == 401


def test_every_route_asks_for_the_login(stranger: httpx.Client) -> None:
    routes = [
        (method, str(route.path))
        for router in API_ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ]
    assert len(routes) > 150
    assert {path.split("/")[1] for _, path in routes} >= {"admin", "block_documents", "deployments", "ui"}
    answers = {
        (method, path): stranger.request(method, f"/api{path}", json={}).status_code
        for method, path in [*routes, ("GET", "/version"), ("GET", "/metrics"), ("GET", "/no-such-route")]
        if path not in OPEN
    }
    assert {where: code for where, code in answers.items() if code != 401} == {}


@pytest.mark.parametrize("path", PAGES)
def test_what_describes_the_api_asks_for_the_login(stranger: httpx.Client, login: str, path: str) -> None:
    assert stranger.get(path, follow_redirects=True).status_code == 401
    assert stranger.get(path, headers={"Authorization": basic("admin:guess")}).status_code == 401
    assert stranger.head(path).status_code == 401
    if path == "/docs":
        assert stranger.get(path, headers={"Authorization": basic(login)}).status_code == 200


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_wrong_login_is_none(stranger: httpx.Client, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    assert stranger.post("/api/block_documents/filter", json={}, headers=headers).status_code == 401
    assert stranger.get("/docs", headers=headers).status_code == 401


def test_the_start_and_the_form_for_the_login_need_none(
    stranger: httpx.Client, prefect_server: LabPlane
) -> None:
    assert prefect_server.api.healthy()
    assert [stranger.get(f"/api{path}").status_code for path in sorted(OPEN)] == [200, 200]
    assert stranger.get("/ui-settings").json()["auth"] == "BASIC"
    assert stranger.get("/").status_code in {200, 307}


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("token", [None, "", "admin:guess"])
def test_a_stranger_hears_and_says_nothing_by_a_websocket(
    prefect_server: LabPlane, path: str, token: str | None
) -> None:
    address = prefect_server.url.replace("http", "ws") + path
    with connect(address, subprotocols=["prefect"], proxy=None) as websocket:  # type: ignore[list-item]
        websocket.send(json.dumps({"type": "auth", "token": token}))
        with pytest.raises(ConnectionClosed):
            websocket.recv(timeout=30)
    with pytest.raises((ConnectionClosed, InvalidStatus)), connect(address, proxy=None) as websocket:
        websocket.recv(timeout=30)


def test_a_foreign_page_may_read_nothing(stranger: httpx.Client, login: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin in (EVIL, "null", "http://127.0.0.1:1", "https://localhost"):
        before = stranger.options("/api/block_documents/filter", headers={**asked, "Origin": origin})
        assert "access-control-allow-origin" not in before.headers, origin
        assert before.status_code == 400
        known = {"Authorization": basic(login), "Origin": origin}
        after = stranger.post("/api/block_documents/filter", json={}, headers=known)
        assert "access-control-allow-origin" not in after.headers, origin


def test_the_own_page_may_read(prefect_server: LabPlane, stranger: httpx.Client, login: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin in (prefect_server.url, prefect_server.url.replace("127.0.0.1", "localhost")):
        before = stranger.options("/api/block_documents/filter", headers={**asked, "Origin": origin})
        assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, origin)
        known = {"Authorization": basic(login), "Origin": origin}
        after = stranger.post("/api/block_documents/filter", json={}, headers=known)
        assert (after.status_code, after.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_keeps_the_login_changes_nothing_for_a_foreign_page(
    stranger: httpx.Client, login: str, site: str
) -> None:
    """Told the login for `/docs`, it adds it to every request, and Prefect reads one without a type as JSON."""
    known = {"Authorization": basic(login), "Sec-Fetch-Site": site}
    body = b'{"name": "ridden"}'
    for origin in (EVIL, "null", "http://127.0.0.1:1"):
        given = {**known, "Origin": origin}
        answer = stranger.post("/api/flows/", content=body, headers=given)
        assert (answer.status_code, "SLUICE_PREFECT_UI_URL" in answer.text) == (403, True), origin
        assert stranger.delete("/api/flows/x", headers=given).status_code == 403
    assert stranger.post("/api/flows/", content=body, headers=known).status_code == 403
    assert stranger.post("/api/flows/filter", json={}, headers={"Authorization": basic(login)}).json() == []
    # A link to a page is followed, whoever has it.
    assert stranger.get("/docs", headers=known).status_code == 200


def test_the_own_page_may_change(prefect_server: LabPlane, stranger: httpx.Client, login: str) -> None:
    """Also behind a proxy that gives the server another name: only the browser knows that."""
    named = prefect_server.url.replace("127.0.0.1", "localhost")
    for site, origin in (
        ("same-site", named),
        ("cross-site", named),
        ("same-origin", "https://proxy.example"),
    ):
        known = {"Authorization": basic(login), "Sec-Fetch-Site": site, "Origin": origin}
        assert stranger.post("/api/flows/", json={"name": "own"}, headers=known).is_success


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1", "http://proxy.example"])
def test_a_browser_that_does_not_tell_where_a_page_is_from_is_told_by_its_origin(
    stranger: httpx.Client, login: str, origin: str
) -> None:
    """An old one, or one that was sent to a name without TLS, says nothing of the site."""
    known = {"Authorization": basic(login), "Origin": origin}
    assert stranger.post("/api/flows/", content=b'{"name": "ridden"}', headers=known).status_code == 403


def test_the_own_page_of_such_a_browser_may_change(
    prefect_server: LabPlane, stranger: httpx.Client, login: str
) -> None:
    for origin in (prefect_server.url, prefect_server.url.replace("127.0.0.1", "localhost")):
        known = {"Authorization": basic(login), "Origin": origin}
        assert stranger.post("/api/flows/", json={"name": "own"}, headers=known).is_success


@pytest.mark.parametrize("path", ["/", "/login", "/v2/", "/docs", "/api/health"])
def test_no_other_page_may_show_it_within_itself(stranger: httpx.Client, login: str, path: str) -> None:
    """Over one of the same site, such as another port's, a person who is logged in would click what they do not see."""
    for headers in ({}, {"Authorization": basic(login)}):
        answer = stranger.get(path, headers=headers)
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"


def test_localhost_is_nobody_elses(prefect_server: LabPlane, stranger: httpx.Client) -> None:
    """The name leads to ::1 before 127.0.0.1: a browser keeps the login for whoever answers there."""
    assert stranger.get(f"http://[::1]:{prefect_server.port}/api/health").is_success


def test_from_its_start_on_nobody_else_can_take_its_port(tmp_path: Path) -> None:
    """Whoever answers while it starts is told the login by what waits for it."""
    port = free_port()
    server = start_server(
        tmp_path, {**os.environ, "PREFECT_SERVER_API_PORT": str(port), "SLUICE_HOME": str(tmp_path)}
    )
    try:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as thief:
                thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError, match="Address already in use"):
                    thief.bind((address, port))
        with pytest.raises(TerminalError, match=f"port {port} is taken"):
            start_server(tmp_path, {"PREFECT_SERVER_API_PORT": str(port)})
    finally:
        server.stop(first=signal.SIGKILL, grace_seconds=0)
    assert port_is_free(port)
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        assert not port_is_free(port)


def raw(prefect_server: LabPlane, *lines: str) -> str:
    """Send a request as it is; return the answer's first line and its body."""
    with socket.create_connection(("127.0.0.1", prefect_server.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return answer.partition("\r\n")[0] + " " + answer.partition("\r\n\r\n")[2]


OWN = (
    "127.0.0.1:{port}",
    "localhost:{port}",
    "LocalHost",
    "localhost.",
    "localhost.:{port}",
    "[::1]:{port}",
    "[::1]",
)
FOREIGN = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "evil.example.",
    "127.0.0.1@evil.example",
    "evil.example:127.0.0.1",
    "[::2]:{port}",
    "[evil.example]",
    "0.0.0.0:{port}",
    "localhost..",
    "",
)


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(prefect_server: LabPlane, host: str) -> None:
    answer = raw(prefect_server, "GET /api/health HTTP/1.1", f"Host: {host.format(port=prefect_server.port)}")
    assert answer.startswith("HTTP/1.1 200"), answer


@pytest.mark.parametrize("path", ["/api/health", "/", "/ui-settings", "/api/flows/"])
@pytest.mark.parametrize("host", FOREIGN)
def test_a_page_that_renamed_this_machine_gets_nothing(
    prefect_server: LabPlane, host: str, path: str
) -> None:
    """DNS rebinding: the page's own name leads to the loopback address, and the browser sends that name."""
    answer = raw(prefect_server, f"GET {path} HTTP/1.1", f"Host: {host.format(port=prefect_server.port)}")
    assert answer.startswith("HTTP/1.1 400"), answer
    assert "SLUICE_API_HOSTS" in answer


def test_without_a_host_or_with_two_nothing_is_answered(prefect_server: LabPlane) -> None:
    assert raw(prefect_server, "GET /api/health HTTP/1.0").startswith("HTTP/1.1 400")
    both = raw(
        prefect_server,
        "GET /api/health HTTP/1.1",
        "Host: evil.example",
        f"Host: 127.0.0.1:{prefect_server.port}",
    )
    assert both.startswith("HTTP/1.1 400")


def test_a_websocket_of_a_renamed_machine_is_refused(prefect_server: LabPlane) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        socket.create_connection(("127.0.0.1", prefect_server.port)) as wire,
    ):
        connect(f"ws://evil.example:{prefect_server.port}/api/events/out", sock=wire, proxy=None)
    assert refused.value.response.status_code == 403


def test_worker_and_receiver_say_where_the_login_is(prefect_server: LabPlane, tmp_path: Path) -> None:
    """In the last line of their logs, which `sluice up` shows."""
    env = {**prefect_server.env, "PREFECT_API_AUTH_STRING": "admin:guess", "SLUICE_HOME": str(tmp_path)}
    started = (start_worker(tmp_path, env, 1), start_receiver(tmp_path, env))
    for one in started:
        try:
            assert one.wait(120), one.log_tail()
        finally:
            one.stop(first=signal.SIGKILL, grace_seconds=0)
        assert one.log_tail().splitlines()[-1] == (
            f"sluice: Prefect's server at {prefect_server.api.url} refuses the login — set PREFECT_API_AUTH_STRING "
            f"to the server's; what `sluice up` made is in {tmp_path}/api-login"
        )


def with_in_their_command_line(text: str) -> list[str]:
    """Return the processes of this machine that show a text to everybody."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_the_login_is_in_nobodys_command_line(prefect_server: LabPlane, login: str) -> None:
    assert len(login) > 30
    assert with_in_their_command_line(login) == []
    canary = "canary-in-a-command-line"
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()", canary]
    with subprocess.Popen(wait, stdin=subprocess.PIPE) as shown:
        wait_until(
            lambda: str(shown.pid) in with_in_their_command_line(canary), "the positive control", seconds=30
        )
        shown.communicate()


def test_the_login_is_in_no_log(prefect_server: LabPlane, login: str) -> None:
    encoded = base64.b64encode(login.encode()).decode()
    logs = [path for path in (prefect_server.home / "logs").iterdir() if path.is_file()]
    assert logs
    assert [path for path in logs if login in (text := path.read_text()) or encoded in text] == []
