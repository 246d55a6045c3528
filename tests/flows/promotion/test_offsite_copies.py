"""The copies of a dump beside a promotion on the lab: to another host and to a folder, and told when they fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from blocks.pipeline import Backup
from blocks.values.receipts import BackupReceipt
from flows.core.session import open_session
from flows.promotion.flow import promote
from flows.promotion.offsite_copies import begin_copies, end_copies
from tasks.steps.run import Run
from tests.lab.scene import Scene

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def running(scene: Scene) -> Scene:
    """The scene with a release in feature, of whose database there is a dump."""
    scene.plane.activate()
    state: State[Any] = promote("feature", requested_by="cleo", return_state=True)
    assert state.name == "Completed", state.message
    # There was nothing to dump yet.
    scene.shop.commit_file("README.md", "A change\n", "A change")
    state = promote("feature", requested_by="cleo", return_state=True)
    assert state.name == "Completed", state.message
    return scene


def receipt_of(scene: Scene) -> BackupReceipt:
    with scene.ledger() as ledger:
        return ledger.backups.of("shop", "feature")[0].receipt


def within(act: Callable[[Run, BackupReceipt], Any], **backup: object) -> Any:
    """Do something in a flow, as the promotion that took the newest dump, with another policy about dumps."""

    @flow(name="copies", persist_result=False)
    def copies() -> Any:
        with open_session("default") as session:
            policy = session.policy("feature")
            record = session.ledger.backups.of("shop", "feature")[0]
            own = Backup.model_validate({"service": "db"} | backup)
            run = session.run(
                record.promotion_id,
                policy.model_copy(update={"backup": own}),
                session.describe("feature", ""),
            )
            return act(run, record.receipt)

    return copies()


def both(run: Run, backup: BackupReceipt) -> tuple[str, ...]:
    begin_copies(run, backup)
    begin_copies(run, backup)
    return end_copies(run)


def test_a_dump_goes_to_another_host_and_to_a_folder(running: Scene, tmp_path: Path) -> None:
    Secret(value=SecretStr('{"auto_mkdir": true}')).save("dumps-key", overwrite=True)
    url = f"file://{tmp_path}/dumps"
    for _ in range(2):
        failed = within(both, copy_host="staging", copy_url=url, copy_options="dumps-key")
        assert failed == ()
    receipt = receipt_of(running)
    name = Path(receipt.path).name
    path = f"/home/deploy/sluice/shop/copies/feature/{name}"
    assert set(receipt.copies) == {f"staging:{path}", f"{url}/shop/feature/{name}"}
    staging = running.lab.servers["staging"]
    assert staging.run(("sha256sum", path)).stdout.split()[0] == receipt.sha256
    assert (tmp_path / "dumps/shop/feature" / name).stat().st_size == receipt.bytes
    with running.ledger() as ledger:
        row = ledger.backups.of("shop", "feature")[0]
        steps = [one for one in ledger.steps.of(row.promotion_id) if one.name == "copy backup"]
    assert {(one.host, one.attempts) for one in steps} == {(f"{name} → staging", 1), (f"{name} → {url}", 1)}


def test_what_a_killed_run_left_undone_is_done_at_the_end(running: Scene, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/late"
    assert within(lambda run, _: end_copies(run), copy_url=url) == ()
    assert f"{url}/shop/feature" in receipt_of(running).copies[-1]


def test_a_copy_that_fails_is_told_and_fails_nothing(running: Scene) -> None:
    running.inbox.messages.clear()
    (line,) = within(both, copy_host="nowhere")
    assert line.startswith("copy backup: ")
    assert "there is no block compose-host/nowhere" in line
    (message,) = running.inbox.messages
    assert "the dump of promotion" in json.dumps(message, ensure_ascii=False)
    assert "only on its host" in json.dumps(message, ensure_ascii=False)


def test_copies_do_not_stay_on_the_databases_own_host(running: Scene) -> None:
    (line,) = within(both, copy_host="feature")
    assert "would stay on feature itself" in line


def test_old_copies_go(running: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "old/shop/feature"
    folder.mkdir(parents=True)
    old = [f"feature-2020010{day}T000000Z-before-x.dump" for day in range(1, 4)]
    for name in (*old, "mine.dump"):
        (folder / name).write_bytes(b"PGDMP")
    assert within(both, copy_url=f"file://{tmp_path}/old", keep=2) == ()
    name = Path(receipt_of(running).path).name
    assert sorted(one.name for one in folder.iterdir()) == sorted(
        [*old[1:], name, f"{name}.json", "mine.dump"]
    )


def test_the_doctor_says_how_dumps_and_copies_stand(
    running: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli.main import run as command

    text = (running.shop.work / "pipeline.yaml").read_text()
    copies = f"backup: {{service: db, copy_host: prod, copy_url: 'file://{tmp_path}/own'}}"
    running.shop.commit_file("pipeline.yaml", text.replace("backup: {service: db}", copies), "Copies")
    try:
        capsys.readouterr()
        command(["doctor", "feature", "--json"])
        found = json.loads(capsys.readouterr().out)
    finally:
        running.shop.commit_file("pipeline.yaml", text, "As it was")
    said = [
        (one["where"], one["level"], one["what"])
        for one in found
        if one["where"].split()[0] in {"backups", "copies"}
    ]
    name = Path(receipt_of(running).path).name
    assert said[0][:2] == ("backups feature", "ok")
    assert said[0][2].startswith("1 good dumps on feature, the newest ")
    assert ("copies feature", "ok", "prod can be written to; 0 copies are there") in said
    assert ("copies feature", "warn", f"prod has no copy of the newest dump, {name}") in said
    assert (
        "copies feature",
        "ok",
        f"file://{tmp_path}/own/shop/feature can be written to; 0 copies are there",
    ) in said
    assert not list((tmp_path / "own").rglob("*sluice*"))
