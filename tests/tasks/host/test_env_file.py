"""Env files, read as compose reads them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.host.compose import ComposeProject
from tasks.host.env_file import parse_env, required_keys
from tasks.kernel.errors import TerminalError

CASES: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("A=1", {"A": "1"}),
    ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ("\ufeffA=1", {"A": "1"}),
    ("  A = 1  ", {"A": "1"}),
    ("export A=1", {"A": "1"}),
    ("A=", {"A": ""}),
    ("A=1\nA=2", {"A": "2"}),
    ("# A=1\n\n   # comment\nB=2", {"B": "2"}),
    ("A=1 # comment", {"A": "1"}),
    ("A=a#b", {"A": "a#b"}),
    ("A= # comment", {"A": "# comment"}),
    ("A=1\t# comment", {"A": "1\t# comment"}),
    ("A=1   # comment # more", {"A": "1"}),
    ("A='single $x #y'", {"A": "single $x #y"}),
    ("A='it' # comment", {"A": "it"}),
    ('A="double #y" # comment', {"A": "double #y"}),
    ('A="a\\nb\\tc"', {"A": "a\nb\tc"}),
    ('A="say \\"x\\""', {"A": 'say "x"'}),
    ('A="first\nsecond"\nB=2', {"A": "first\nsecond", "B": "2"}),
    ('A="first \nsecond"', {"A": "first \nsecond"}),
    ("A=1 \t", {"A": "1"}),
    ("A='-----BEGIN-----\nabc\n-----END-----'\nB=2", {"A": "-----BEGIN-----\nabc\n-----END-----", "B": "2"}),
    ("A=a=b=c", {"A": "a=b=c"}),
    ("A=with space", {"A": "with space"}),
    ("A=ünï", {"A": "ünï"}),
    ("A_1=x\n_B=y", {"A_1": "x", "_B": "y"}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_an_env_file_is_read(text: str, expected: dict[str, str]) -> None:
    assert parse_env(text) == expected


@pytest.mark.parametrize(("text", "expected"), [case for case in CASES if case[1]])
def test_compose_reads_the_same(text: str, expected: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(text, newline="")
    used = {key: f"${{{key}}}" for key in expected}
    (tmp_path / "compose.yml").write_text(
        json.dumps({"services": {"app": {"image": "x", "environment": used}}})
    )
    project = ComposeProject(
        "x", str(tmp_path), env_file=str(tmp_path / ".env"), files=(str(tmp_path / "compose.yml"),)
    )
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)}
    done = subprocess.run(project.config_json(), capture_output=True, text=True, env=environment, check=True)
    # Printed as a compose file again, where a dollar sign is written twice.
    found = json.loads(done.stdout)["services"]["app"]["environment"]
    assert {key: value.replace("$$", "$") for key, value in found.items()} == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A=1\nno assignment here", 2),
        ("=x", 1),
        ("A='open", 1),
        ('A="open\nB=2\n', 1),
        ("A='x' y", 1),
        ("A B=1", 1),
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(text: str, number: int) -> None:
    with pytest.raises(TerminalError, match=f"line {number} of the env file cannot be read"):
        parse_env(text)


def test_an_error_never_shows_a_value() -> None:
    with pytest.raises(TerminalError) as error:
        parse_env("PASSWORD='s3cret")
    assert "s3cret" not in f"{error.value!r}{error.value.detail}"


VALUE = st.text(st.characters(blacklist_characters="\0\r", blacklist_categories=["Cs"]), max_size=50)


@settings(deadline=None)
@given(values=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), VALUE, max_size=5))
def test_what_is_quoted_is_read_back(values: dict[str, str]) -> None:
    escaped = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in values.items()}
    assert parse_env("".join(f'{key}="{value}"\n' for key, value in escaped.items())) == values


@settings(deadline=None)
@given(text=st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_env(text)
    except TerminalError:
        return
    assert all(key and "=" not in key for key in found)


def test_required_keys_are_those_the_example_asks_for() -> None:
    example = "DB_PASSWORD=changethis\n# COMMENTED=1\nSENTRY_DSN=  # optional\n"
    example += "export SECRET_KEY='x' # required\nEMPTY=\n"
    assert required_keys(example) == ("DB_PASSWORD", "EMPTY", "SECRET_KEY")
