"""`sluice doctor` on real servers: all is well, and each thing that can be amiss with its mend."""

from __future__ import annotations

import json
from typing import cast

import pytest
from pydantic import SecretStr

from blocks.compose_host import ComposeHost
from blocks.registry import ContainerRegistry
from deployments.cli.main import run
from tests.deployments.conftest import Printed
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1500)

Findings = list[dict[str, str]]


@pytest.fixture(autouse=True)
def activated(scene: Scene) -> None:
    """This process talks to the scene's server, whatever another test talked to."""
    scene.plane.activate()


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> Printed:
    capsys.readouterr()
    code = run(["doctor", *arguments, "--json"])
    captured = capsys.readouterr()
    return Printed(code, captured.out, captured.err)


def amiss(printed: Printed) -> list[tuple[str, str]]:
    return [(one["where"], one["what"]) for one in json.loads(printed.out) if one["level"] != "ok"]


def test_all_is_well(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    printed = doctor(capsys)
    assert amiss(printed) == []
    assert printed.code == 0
    found = {(one["where"], one["what"]) for one in printed.json}
    assert ("approvers prod", "2 of 2 can approve, 1 needed") in found
    assert ("channel team", "webhook-channel/team is there") in found
    for name in ("feature", "staging", "prod"):
        said = " ".join(what for where, what in found if where == f"{name} {name}")
        assert "reached; host key and login are right" in said
        assert "required ones among them" in said
        assert "and is accepted" in said
        assert "flock" in said


def test_one_environment_is_enough(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    places = {one["where"] for one in doctor(capsys, "staging").json}
    assert "staging staging" in places
    assert not {"prod prod", "approvers prod"} & places


def test_an_unknown_environment_names_the_known(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = [one for one in doctor(capsys, "moon").json if one["level"] == "fail"]
    assert found["what"] == "shop has no environment moon"
    assert found["mend"] == "its environments are feature, staging, prod"


def test_a_host_with_many_troubles_is_told_all_of_them(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scene.lab.servers["feature"]
    file = "/home/deploy/sluice/shop/.env.feature"
    before = server.run(("cat", file)).stdout
    server.run(("sed", "-i", "/SHOP_DB_PASSWORD/d", file))
    server.run(("chown", "root", "/home/deploy/sluice/shop"))
    server.kill_engine()
    try:
        said = " ".join(what for _, what in amiss(doctor(capsys, "feature")))
    finally:
        server.start_engine()
        server.run(("chown", "deploy", "/home/deploy/sluice/shop"))
        server.run(("tee", file), stdin=before)
    assert "Docker engine of feature does not answer" in said
    assert ".env.feature lacks SHOP_DB_PASSWORD" in said
    assert "/home/deploy/sluice/shop cannot be written" in said


def test_a_missing_env_file(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    server = scene.lab.servers["feature"]
    server.run(("mv", "/home/deploy/sluice/shop/.env.feature", "/home/deploy/sluice/shop/away"))
    try:
        ((where, what),) = amiss(doctor(capsys, "feature"))
    finally:
        server.run(("mv", "/home/deploy/sluice/shop/away", "/home/deploy/sluice/shop/.env.feature"))
    assert where == "feature feature"
    assert what == "there is no .env.feature or .env in /home/deploy/sluice/shop"


def test_another_host_key_and_an_unreachable_host(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    good = cast("ComposeHost", ComposeHost.load("feature"))
    other = scene.lab.servers["staging"].host_key
    good.model_copy(update={"host_key": other}).save("feature", overwrite=True)
    try:
        ((_, key),) = amiss(doctor(capsys, "feature"))
        good.model_copy(update={"port": 9}).save("feature", overwrite=True)
        ((_, gone),) = amiss(doctor(capsys, "feature"))
    finally:
        good.save("feature", overwrite=True)
    assert "host key" in key
    assert "9" in gone


def test_a_wrong_registry_password_is_seen_from_everywhere(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    good = cast("ContainerRegistry", ContainerRegistry.load("main"))
    wrong = good.model_copy(update={"password": SecretStr("hunter2-wrong")})
    wrong.save("main", overwrite=True)
    try:
        printed = doctor(capsys, "feature")
    finally:
        good.save("main", overwrite=True)
    assert {where for where, _ in amiss(printed)} == {"registry main", "feature feature"}
    assert "hunter2-wrong" not in printed.out + printed.err


def test_blocks_that_are_missing(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    api = scene.plane.api
    saved = {
        (kind, name): api.block_document(kind, name)
        for kind, name in (("approver", "ana"), ("webhook-channel", "team"), ("compose-host", "prod"))
    }
    assert all(saved.values())
    for kind, name in saved:
        api.delete_block(kind, name)
    try:
        printed = doctor(capsys, "prod")
    finally:
        from tests.lab.scene import save_blocks

        scene.secrets.update(save_blocks(scene.lab, scene.shop, scene.inbox))
    levels = {(one["where"], one["level"]): one["what"] for one in printed.json if one["level"] != "ok"}
    assert levels["approver ana", "warn"] == "there is no block approver/ana"
    assert levels["channel team", "fail"] == "there is no notification channel team"
    assert levels["prod prod", "fail"] == "there is no block compose-host/prod"
