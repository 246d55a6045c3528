"""No command, option or setting is undocumented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from blocks.settings import Settings
from deployments.cli.main import app
from deployments.control_plane.environment import control_plane_environment
from deployments.doctor.control import expected_deployments

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "commands.md").read_text("utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))
SETTINGS = (DOCS / "settings.md").read_text("utf-8")


def commands(group: Any, name: str) -> dict[str, Any]:
    """Return every command below a group by its full name."""
    found: dict[str, Any] = {}
    for part, command in group.commands.items():
        full = f"{name} {part}"
        found |= commands(command, full) if hasattr(command, "commands") else {full: command}
    return found


COMMANDS = commands(typer.main.get_command(app), "sluice")
PARAMETERS = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name != "help"
]


def spellings(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [str(parameter.metavar).strip("[]")]
    return [*parameter.opts, *parameter.secondary_opts]


def test_every_command_has_its_section_and_no_other() -> None:
    assert {name for name in SECTIONS if name.startswith("sluice")} == set(COMMANDS)


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=lambda value: getattr(value, "name", value))
def test_every_option_is_in_its_commands_table(name: str, parameter: Any) -> None:
    rows = [line for line in SECTIONS[name].splitlines() if line.startswith("| `")]
    for spelling in spellings(parameter):
        row = next((line for line in rows if f"`{spelling}`" in line.split("|")[1]), None)
        assert row is not None, f"{name}: {spelling} is not documented"
        default = parameter.default
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert f"`{default:g}`" in row.split("|")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_documented_that_is_not_there(name: str) -> None:
    documented = set(
        re.findall(r"`(--[a-z-]+)`", "".join(re.findall(r"^\| (.+?) \|", SECTIONS[name], re.MULTILINE)))
    )
    assert documented <= {
        spelling for parameter in COMMANDS[name].params for spelling in spellings(parameter)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does(name: str) -> None:
    assert len((COMMANDS[name].help or "").strip()) > 20
    assert all(getattr(parameter, "help", "x") for parameter in COMMANDS[name].params)


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(SLUICE_\w+)` \| ([^|]+) \|", SETTINGS, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        default = rows[f"SLUICE_{name.upper()}"].strip()
        if isinstance(field.default, str):
            assert default == (f"`{field.default}`" if field.default else "none")


def test_what_up_sets_is_documented() -> None:
    env = control_plane_environment(Path("/home"), 4200, {})
    chosen = {
        name: value
        for name, value in env.items()
        if "4200" not in value and "/home" not in value and name not in {"PATH", "PREFECT_SERVER_API_HOST"}
    }
    # Where this file lies depends on where Sluice is installed.
    chosen["PREFECT_API_SSL_CERT_FILE"] = "nobody.pem"
    for name, value in chosen.items():
        assert f"| `{name}` | `{value}` |" in SETTINGS


def test_every_deployment_is_documented() -> None:
    for name in expected_deployments():
        assert f"`{name}`" in SECTIONS["Deployments"]
