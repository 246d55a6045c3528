"""The lab's command line: `python -m tests.lab up|down|status|env`."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from tests.lab.down import take_down
from tests.lab.lab import DEFAULT_SERVERS, Lab
from tests.lab.settings import Settings
from tests.lab.shell import LabError


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Real servers on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what does not run yet")
    up.add_argument("servers", nargs="*", default=DEFAULT_SERVERS, help="their names (feature staging prod)")
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--purge", action="store_true", help="also remove images, volumes, keys and downloads")
    commands.add_parser("status", help="say what runs")
    env = commands.add_parser("env", help="print how to reach it, as shell variables")
    env.add_argument("--json", action="store_true", help="as JSON, with everything")
    return parser.parse_args()


def _read_description(settings: Settings) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads(settings.description.read_text())
    except FileNotFoundError:
        raise LabError("the lab is down; python -m tests.lab up") from None
    return description


def _status_lines(description: Mapping[str, Any]) -> list[str]:
    registry = description["registry"]
    lines = [f"registry  {registry['address']}  user {registry['username']}"]
    return lines + [
        f"{server['name']:<9} ssh -i {server['private_key_path']} {server['user']}@{server['address']}"
        for server in description["servers"].values()
    ]


def _env_lines(description: Mapping[str, Any]) -> list[str]:
    registry = description["registry"]
    variables = {
        "SLUICE_LAB_REGISTRY": registry["address"],
        "SLUICE_LAB_REGISTRY_USERNAME": registry["username"],
        "SLUICE_LAB_REGISTRY_PASSWORD": registry["password"],
        "SLUICE_LAB_KNOWN_HOSTS": description["known_hosts"],
    }
    for server in description["servers"].values():
        prefix = "SLUICE_LAB_" + server["name"].upper().replace("-", "_")
        variables |= {
            f"{prefix}_ADDRESS": server["address"],
            f"{prefix}_HOST_KEY": server["host_key"],
            f"{prefix}_USER": server["user"],
            f"{prefix}_KEY": server["private_key_path"],
        }
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _run(arguments: argparse.Namespace) -> list[str]:
    settings = Settings()
    match arguments.command:
        case "up":
            return _status_lines(Lab.up(arguments.servers, settings).describe())
        case "down":
            take_down(settings, purge=arguments.purge)
            return []
        case "status":
            return _status_lines(_read_description(settings))
        case _:
            description = _read_description(settings)
            return [json.dumps(description, indent=2)] if arguments.json else _env_lines(description)


def main() -> int:
    """Runs one command; a failure is one line on standard error."""
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="lab: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        lines = _run(arguments)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
