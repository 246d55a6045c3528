"""Writes address and login of the server into the user's Prefect profile; `sluice up` runs it.

A process of its own, because it imports Prefect. It is told on standard input: everybody can read a command line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from deployments.control_plane.environment import same_server
from deployments.control_plane.login import CLIENT

# Where the active profile is for another server.
OWN_PROFILE = "sluice"


def remember(url: str, login: str) -> str:
    """Write address and login into the active profile, or into one of its own where that names another server.

    What else is in the profiles stays. Nothing is written twice. What was done is returned, for a person.
    """
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        get_current_settings,
        load_current_profile,
        load_profiles,
        save_profiles,
    )

    wanted: dict[Any, Any] = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: login}
    active, profiles = load_current_profile(), load_profiles()
    another = active.settings.get(PREFECT_API_URL)
    mine = another is None or same_server(str(another), url)
    name = active.name if mine else OWN_PROFILE
    before = profiles[name].settings if name in profiles.names else {}
    if not mine and not _is_loopback(before.get(PREFECT_API_URL)):
        return _by_hand(active.name, str(another), url)
    path = get_current_settings().profiles_path
    if path.exists():
        # Before the login is in it.
        path.chmod(0o600)
    if any(before.get(setting) != value for setting, value in wanted.items()):
        profiles.update_profile(name, wanted)
        save_profiles(profiles)
    if mine:
        return f"your Prefect profile {name} knows address and login ({path})"
    return (
        f"your Prefect profile {active.name} is for {another} and stays; type `prefect --profile {name} …` "
        f"for this server ({path})"
    )


def _is_loopback(url: object) -> bool:
    """Say whether an address is one that an earlier `sluice up` may have written."""
    return url is None or str(url).startswith(("http://127.0.0.1:", "http://localhost:"))


def _by_hand(active: str, another: str, url: str) -> str:
    return (
        f"your Prefect profiles {active} and {OWN_PROFILE} are for other servers, {active} for {another}; for this one "
        f"export PREFECT_API_URL={url} and {CLIENT}"
    )


def main() -> None:
    """Read address and login, and say what was done."""
    given = json.load(sys.stdin)
    sys.stdout.write(f"{remember(given['url'], given['login'])}\n")


if __name__ == "__main__":
    main()
