"""Checks of who may use Prefect's API: its login, web pages, what its work pool lets a run decide."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx

from blocks.settings import Settings
from deployments.control_plane.connect import known_api, profiles, profiles_file
from deployments.control_plane.environment import EARLIER_POOL, POOL, POOL_TYPE
from deployments.control_plane.login import CLIENT, SERVER, login_file, open_to_others
from deployments.control_plane.parts import online_workers
from deployments.control_plane.prefect_api import PrefectApi
from deployments.doctor.findings import Check, Finding, fail, ok, warn

# A name that is nobody's, as a page would have one that leads it to the server's address.
_STRANGER = "sluice-doctor.invalid"
_TIMEOUT_SECONDS = 20.0
_REFUSALS = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
_AGAIN = "`sluice down`, then `sluice up`"


def access_checks(settings: Settings) -> list[Check]:
    """Return the checks of the API's doors."""
    return [Check("api", partial(_api, settings)), Check("login", partial(_kept, settings.home))]


def _api(settings: Settings) -> Iterator[Finding]:
    api = known_api(settings)
    with httpx.Client(
        trust_env=False, timeout=_TIMEOUT_SECONDS, verify=not api.url.startswith("http://")
    ) as stranger:
        yield _login(api, stranger)
        yield _pages(api, stranger)
        yield _names(api, stranger)
    yield _pool(api)


def _login(api: PrefectApi, stranger: httpx.Client) -> Finding:
    answer = stranger.post(f"{api.url}/block_documents/filter", json={"limit": 1})
    if answer.is_success:
        return fail(
            "api",
            f"{api.url} answers without a login: everybody on this machine can read secrets and start runs",
            f"{_AGAIN}; a server that you start yourself needs {SERVER}",
        )
    if answer.status_code not in _REFUSALS:
        return _unknown(f"{api.url} asks for a login", answer)
    return ok("api", "does not answer without the login")


def _pages(api: PrefectApi, stranger: httpx.Client) -> Finding:
    asked = {"Origin": f"http://{_STRANGER}", "Access-Control-Request-Method": "POST"}
    answer = stranger.options(f"{api.url}/block_documents/filter", headers=asked)
    if "access-control-allow-origin" in answer.headers:
        return fail(
            "api",
            "lets every web page that a person here opens read its answers (CORS)",
            f"unset PREFECT_SERVER_CORS_ALLOWED_ORIGINS; {_AGAIN}; of a server that you start yourself, "
            "name the UI's address in it",
        )
    return ok("api", "lets no foreign web page read answers")


def _names(api: PrefectApi, stranger: httpx.Client) -> Finding:
    if api.url.startswith("https://"):
        return ok("api", "answers by https, where a web page cannot take its name")
    answer = stranger.get(f"{api.url}/health", headers={"Host": _STRANGER})
    if answer.is_success:
        return fail(
            "api",
            "answers to any host name: a web page can give its own name this machine's address",
            f"{_AGAIN}; a server that you start yourself needs a proxy that checks `Host`",
        )
    if not answer.is_client_error:
        return _unknown(f"{api.url} answers to its own names only", answer)
    return ok("api", "answers to its own names only")


def _unknown(what: str, answer: httpx.Response) -> Finding:
    said = f"whether {what} is not known: it answered {answer.status_code}"
    return fail("api", said, "check the server, then try again")


def _pool(api: PrefectApi) -> Finding:
    pool = api.work_pool(POOL)
    if pool is None:
        return fail("api", f"there is no work pool {POOL}", "run `sluice up`")
    if pool.get("type") != POOL_TYPE:
        return fail(
            "api",
            f"the work pool {POOL} is of type {pool.get('type')}: its workers start what a run names",
            f"`prefect work-pool delete {POOL}`; {_AGAIN}",
        )
    if online_workers(api, EARLIER_POOL):
        return fail(
            "api",
            f"a worker of an earlier version takes runs of the work pool {EARLIER_POOL}: it starts what a run names",
            "end that worker",
        )
    return ok("api", f"runs of pool {POOL} choose no command, environment or folder")


def _kept(home: Path) -> Iterator[Finding]:
    path = login_file(home)
    if open_to_others(path):
        yield fail(
            "login",
            f"others on this machine can read or change {path}",
            f"make a new one: `sluice down`, `rm {path}`, `prefect config unset {CLIENT}`, `sluice up`",
        )
    elif path.exists():
        yield ok("login", f"{path} can only be read by its owner")
    if home.exists() and home.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail("login", f"others on this machine can change what is in {home}", f"`chmod 700 {home}`")
    elif open_to_others(home):
        yield warn("login", f"others on this machine can read what is in {home}", f"`chmod 700 {home}`")
    if any(profile.login is not None for profile in profiles().values()) and open_to_others(profiles_file()):
        yield fail(
            "login",
            f"others on this machine can read {profiles_file()}, which has a login in it",
            f"`chmod 600 {profiles_file()}`, and make a new login as docs/security.md says",
        )
