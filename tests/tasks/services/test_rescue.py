"""The files that say how an environment is reached when nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.pipeline import load_pipeline
from blocks.rescue import Rescue, RescueHost
from flows.core.rescue_file import secret_blocks
from tasks.kernel.errors import TerminalError
from tasks.services.rescue import read_rescue, rescue_file, write_rescue
from tests.flows.domain.samples import NOW

PIPELINE = """
pipeline: shop
registry: main
smoke:
  - {http: /health, header_secrets: {X-Key: smoke-key}, basic_auth: smoke-login}
  - {command: [python, check.py]}
environments:
  prod: {hosts: [web-1, web-2], address: "http://localhost:8080", branches: [main], backup: null}
"""


def host(name: str = "web-1") -> RescueHost:
    return RescueHost(
        name=name,
        address="192.0.2.1",
        port=22,
        user="deploy",
        key="k3y-0f-web",
        key_passphrase="opens it",
        host_key="ssh-ed25519 AAAA",
        directory="sluice",
        connect_timeout_seconds=5,
        app_directory="/home/deploy/sluice/shop",
    )


def rescue(pipeline: str = "shop") -> Rescue:
    return Rescue(
        pipeline=pipeline,
        environment="prod",
        written_at=NOW,
        hosts=(host(), host("web-2")),
        policy=load_pipeline(PIPELINE, "pipeline.yaml").policy("prod"),
        migrates=True,
        secrets={"smoke-key": "s3cret"},
    )


def test_it_comes_back_as_it_was_and_only_its_login_may_read_it(tmp_path: Path) -> None:
    path = write_rescue(tmp_path, rescue())
    assert read_rescue(tmp_path, "prod") == rescue()
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, path.parent.parent)} == {0o700}
    assert [one.name for one in path.parent.iterdir()] == ["prod.json"]


def test_it_is_replaced_whole(tmp_path: Path) -> None:
    write_rescue(tmp_path, rescue())
    changed = rescue().model_copy(update={"hosts": (host(),)})
    write_rescue(tmp_path, changed)
    assert read_rescue(tmp_path, "prod") == changed


def test_what_it_holds_is_shown_nowhere() -> None:
    shown = f"{rescue()!r}{rescue()}"
    assert not any(secret in shown for secret in ("k3y-0f-web", "opens it", "s3cret"))


def test_where_there_is_none_the_known_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="known: nothing"):
        read_rescue(tmp_path, "prod")
    write_rescue(tmp_path, rescue())
    with pytest.raises(TerminalError, match="known: shop/prod"):
        read_rescue(tmp_path, "staging")


def test_where_there_are_several_the_pipeline_is_named(tmp_path: Path) -> None:
    for name in ("shop", "blog"):
        write_rescue(tmp_path, rescue(name))
    with pytest.raises(TerminalError, match="blog, shop — name one of them with --pipeline"):
        read_rescue(tmp_path, "prod")
    assert read_rescue(tmp_path, "prod", "blog").pipeline == "blog"


def test_one_of_another_version_is_told(tmp_path: Path) -> None:
    write_rescue(tmp_path, rescue())
    rescue_file(tmp_path, "shop", "prod").write_text("{}")
    with pytest.raises(TerminalError, match="another version"):
        read_rescue(tmp_path, "prod")


def test_the_secrets_of_smoke_checks_are_found() -> None:
    assert secret_blocks(rescue().policy) == ("smoke-key", "smoke-login")
