"""What the receiver's process says about itself, and how it waits for its ledger."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import pytest

from blocks.settings import Settings
from deployments.control_plane.prefect_api import Json, PrefectApi
from deployments.webhook import service
from deployments.webhook.service import Service
from tasks.kernel.errors import TransientError
from tasks.ledger.store import Ledger
from tests.deployments.webhook.sender import BLOCK


class Answers:
    """Prefect's server: what it says of a block, one answer after the other."""

    def __init__(self, *answers: Json | TransientError | None) -> None:
        self.answers = list(answers)

    def block_document(self, *_: str) -> Json | None:
        answer = self.answers.pop(0)
        if isinstance(answer, TransientError):
            raise answer
        return answer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, ledger_url="")


def test_it_is_ailing_until_its_block_is_read_and_its_dispatcher_works(
    settings: Settings, ledger: Ledger
) -> None:
    receiver = Service(settings, ledger, cast("PrefectApi", Answers()))
    assert receiver.ailing() == "the block github-webhooks/default could not be read"
    receiver.blocks.webhooks = BLOCK
    assert receiver.ailing() == "the dispatcher ended"
    receiver.dispatcher.start()
    try:
        assert receiver.ailing() == ""
    finally:
        receiver.dispatcher.stop()


def test_it_waits_for_the_server_that_alone_knows_the_ledger(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    server = Answers(
        TransientError("away", "start it"), TransientError("away", "start it"), {"data": {"url": url}}
    )
    monkeypatch.setattr(service, "find_api_url", lambda _: "http://127.0.0.1:1/api")
    monkeypatch.setattr(service, "api_at", lambda *_, **__: server)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    with caplog.at_level(logging.WARNING):
        _, opened = service._opened(settings)
    with opened:
        assert str(opened._database.url) == url
    assert [record.getMessage() for record in caplog.records] == ["away — start it"] * 2
    assert not (tmp_path / "ledger.db").exists()
