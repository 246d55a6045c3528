"""Finds the Prefect server and the ledger a command works with, without importing Prefect."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blocks.settings import Settings
from deployments.control_plane import processes
from deployments.control_plane.environment import process_file, same_server
from deployments.control_plane.login import CLIENT, SERVER
from deployments.control_plane.prefect_api import TRIES, PrefectApi
from tasks.kernel.errors import SluiceError, TerminalError, TransientError
from tasks.ledger.store import Ledger

LEDGER_BLOCK = ("ledger-database", "ledger")


def find_api_url(settings: Settings) -> str | None:
    """Return `PREFECT_API_URL`, else the address of what `sluice up` started, else the Prefect profile's."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    server = processes.load(process_file(settings.home, "server"))
    if server is not None and (url := server.variable("PREFECT_API_URL")):
        return url
    return active_profile().url


@dataclass(frozen=True)
class Profile:
    """Address and login in a Prefect profile of this user, as far as they are there."""

    url: str | None = None
    login: str | None = field(default=None, repr=False)

    def login_at(self, url: str) -> str | None:
        """Return its login for a server: one for another server is nobody else's business."""
        return self.login if self.url is None or same_server(self.url, url) else None


def profiles_file() -> Path:
    """Return the file of this user's Prefect profiles."""
    if path := os.environ.get("PREFECT_PROFILES_PATH"):
        return Path(path)
    return Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect") / "profiles.toml"


def active_profile() -> Profile:
    """Return the active Prefect profile of this user, an empty one where there is none."""
    name = os.environ.get("PREFECT_PROFILE") or _profiles_table().get("active")
    return profiles().get(str(name), Profile())


def profiles() -> dict[str, Profile]:
    """Return every Prefect profile of this user by name."""
    return {name: _profile(found) for name, found in _profiles_table().get("profiles", {}).items()}


def _profiles_table() -> dict[str, Any]:
    try:
        return tomllib.loads(profiles_file().read_text())
    except (OSError, ValueError):
        return {}


def _profile(found: dict[str, Any]) -> Profile:
    url, login = found.get("PREFECT_API_URL"), found.get(CLIENT) or found.get(SERVER)
    return Profile(str(url) if url else None, str(login) if login else None)


def find_login(settings: Settings, url: str) -> str:
    """Return the login of a Prefect server, found as its address is; empty where none is known for this one."""
    if login := os.environ.get(CLIENT):
        return login
    server = processes.load(process_file(settings.home, "server"))
    if server is not None and same_server(server.variable("PREFECT_API_URL"), url):
        return server.variable(SERVER)
    profile = active_profile()
    return profile.login or "" if same_server(profile.url, url) else ""


def api_at(settings: Settings, url: str, *, tries: int = TRIES) -> PrefectApi:
    """Return a Prefect server with the login that is known for it."""
    return PrefectApi(url, tries=tries, login=find_login(settings, url))


def known_api(settings: Settings) -> PrefectApi:
    """Return the Prefect server, which must answer.

    Raises:
        TerminalError: No server is known.
        TransientError: It does not answer.
    """
    url = find_api_url(settings)
    if url is None:
        raise TerminalError(
            "no Prefect server is known here", "start one with `sluice up`, or set PREFECT_API_URL"
        )
    api = api_at(settings, url)
    if not api.healthy():
        raise TransientError(
            f"Prefect's server at {url} does not answer", "start it with `sluice up`, or set PREFECT_API_URL"
        )
    return api


def ui_url(settings: Settings) -> str:
    """Return where people open Prefect's UI; an address in the settings counts before the one of the known server."""
    url = find_api_url(settings)
    if url is None or "prefect_ui_url" in settings.model_fields_set:
        return settings.prefect_ui_url
    return url.removesuffix("/").removesuffix("/api")


def use_prefect(settings: Settings) -> PrefectApi:
    """Make Prefect talk to the known server, which answers, and leave it to the command to say what failed."""
    api = known_api(settings)
    os.environ["PREFECT_API_URL"] = api.url
    if login := find_login(settings, api.url):
        os.environ[CLIENT] = login
    # Without a server Prefect would start one of its own, on an empty database.
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if os.environ.get("SLUICE_DEBUG") else "CRITICAL")
    # Named outside Prefect's own loggers: a server that is slow to take the last events is nothing a user can mend.
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
    refresh_prefect()
    return api


def refresh_prefect() -> None:
    """Let Prefect read the environment again, where this process has imported it."""
    if "prefect.context" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def ledger_url(settings: Settings) -> str:
    """Find the ledger's address, as the flows do: in the settings, else in the block, else in the home folder.

    Raises:
        TransientError: A server is known and does not answer, and there is no ledger in the home folder: nobody
            can tell where it is.
    """
    if settings.ledger_url:
        return settings.ledger_url
    url = find_api_url(settings)
    if url is None:
        return settings.sqlite_url
    try:
        return ledger_url_at(api_at(settings, url, tries=1), settings)
    except SluiceError as error:
        if not (settings.home / "ledger.db").exists():
            what = f"whether there is a block {'/'.join(LEDGER_BLOCK)} is not known: {error.what}"
            raise TransientError(what, f"{error.todo}, or set SLUICE_LEDGER_URL") from error
        sys.stderr.write(f"note: {error.what}; reading the ledger in {settings.home}\n")
    return settings.sqlite_url


def ledger_url_at(api: PrefectApi, settings: Settings) -> str:
    """Return the ledger's address as a server's block, or else the home folder, has it."""
    document = api.block_document(*LEDGER_BLOCK)
    return str(document["data"]["url"]) if document is not None else settings.sqlite_url


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger, for a `with` statement."""
    return Ledger.open(ledger_url(settings))
