"""What the doctor says of a host, by what was read of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from blocks.values.facts import Readiness
from deployments.doctor import hosts
from deployments.doctor.hosts import _directory, _env_file, _fitness
from tests.fakes.host import FakeHost

WELL = Readiness(engine="27.3.1", compose="2.29.7", free_bytes=40 * 10**9)


def levels(facts: Readiness) -> list[tuple[str, str, str]]:
    return [(one.level, one.what, one.mend) for one in _fitness("prod web-1", facts, "web-1", "shop")]


def test_a_host_that_has_all_is_one_line() -> None:
    ((level, what, mend),) = levels(WELL)
    assert (level, mend) == ("ok", "")
    assert what.startswith("engine 27.3.1, compose 2.29.7, flock, ")


def test_each_trouble_is_a_line_with_its_mend() -> None:
    facts = WELL.model_copy(update={"compose": "2.20.0", "has_flock": False, "free_bytes": 1})
    found = levels(facts)
    assert {level for level, _, _ in found} == {"fail"}
    assert [mend for _, _, mend in found[:2]] == ["install 2.24 or newer", "install util-linux"]
    assert found[2][1].startswith("the disk of web-1 has 0 MiB free")


def test_an_old_engine_is_a_warning_and_one_that_is_away_a_failure() -> None:
    assert ("warn", "Docker engine 20.10.1 is old", "install 23 or newer") in levels(
        WELL.model_copy(update={"engine": "20.10.1"})
    )
    away = WELL.model_copy(update={"engine": "", "problem": "no such file"})
    assert levels(away) == [
        ("fail", "the Docker engine of web-1 does not answer (no such file)", "start it"),
    ]


@pytest.mark.parametrize(
    ("status", "place", "level", "what"),
    [
        (0, "/srv/shop", "ok", "/srv/shop is writable"),
        (0, "/srv", "ok", "/srv/shop can be made"),
        (1, "/srv", "fail", "/srv cannot be written"),
    ],
)
def test_a_directory_is_writable_can_be_made_or_neither(
    status: int, place: str, level: str, what: str
) -> None:
    host = FakeHost()
    host.answer("sluice-writable", exit_code=status, stdout=f"{place}\n")
    found = _directory("prod web-1", host, "/srv/shop")
    assert (found.level, found.what) == (level, what)


@pytest.mark.parametrize(
    ("there", "required", "level", "what"),
    [
        ((".env", ("A", "B")), ("A",), "ok", ".env has 2 keys, all 1 required ones among them"),
        ((".env", ("A",)), ("A", "B"), "fail", ".env lacks B"),
        ((None, ()), ("A",), "fail", "there is no .env.prod or .env in /srv/shop"),
        ((None, ()), (), "warn", "there is no .env.prod or .env in /srv/shop"),
    ],
)
def test_an_env_file_has_what_the_release_asks_for(
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str | None, tuple[str, ...]],
    required: tuple[str, ...],
    level: str,
    what: str,
) -> None:
    monkeypatch.setattr(hosts, "read_env_keys", lambda *_: there)
    application: Any = SimpleNamespace(required={"prod": required})
    policy: Any = SimpleNamespace(name="prod", env_files=(".env.prod", ".env"))
    found = _env_file("prod web-1", FakeHost(), "/srv/shop", application, policy)
    assert (found.level, found.what) == (level, what)
