"""Blocks on a Prefect server: secrets as they were typed, and channels of which one does not load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from blocks import catalog
from blocks.notifier import Notifier, Post
from blocks.telegram import TelegramChannel
from blocks.values.lifecycle import Kind, Status
from blocks.webhook_channel import WebhookChannel
from flows.core.outcome import tell_waiting
from flows.domain.approvals.values import QuorumState
from tasks.kernel.blocks import BlockError, MissingBlockError, parse_block, read_block
from tasks.kernel.redact import process_redactor
from tasks.steps.notify import tell
from tasks.steps.secrets import read_secret
from tests.flows.domain.samples import plan
from tests.tasks.adapters.web import Reply, Web, in_turn, serve

# Blocks are kept there.
pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret such as `true` would be hidden in what all later tests print."""
    monkeypatch.setattr(process_redactor(), "_forms", ())


@pytest.mark.parametrize(
    "text", ["plain", "12345678", "007", "1e9", "true", "null", '{"key": "a"}', '"quoted"']
)
def test_what_was_typed_is_what_is_used(text: str) -> None:
    Secret(value=SecretStr(text)).save("typed", overwrite=True)
    assert read_secret("typed") == text


def test_a_value_kept_as_data_is_its_json() -> None:
    Secret(value={"key": "a"}).save("data", overwrite=True)
    assert json.loads(read_secret("data")) == {"key": "a"}


def test_a_secret_that_is_not_there() -> None:
    with pytest.raises(MissingBlockError, match="there is no block secret/gone"):
        read_secret("gone")


def save_invalid(name: str) -> None:
    """Save a Telegram channel as the UI does, which checks nothing."""
    kind = TelegramChannel
    kind.model_construct(token=SecretStr("no-token-1"), chat_id="-1").save(name, overwrite=True)


def test_what_was_typed_wrong_is_named_and_not_shown() -> None:
    save_invalid("wrong")
    with pytest.raises(
        BlockError, match="block telegram-channel/wrong is not valid: token: expected a"
    ) as error:
        read_block(TelegramChannel, "wrong")
    assert "no-token-1" not in str(error.value)


def test_a_document_is_read_like_a_block() -> None:
    document = {"data": {"url": "http://x/"}}
    assert parse_block(WebhookChannel, "team", document).url.get_secret_value() == "http://x/"
    with pytest.raises(MissingBlockError, match="there is no block webhook-channel/team"):
        parse_block(WebhookChannel, "team", None)
    with pytest.raises(BlockError, match="webhook-channel/team is not valid: url: expected an http"):
        parse_block(WebhookChannel, "team", {"data": {"url": "x"}})


@pytest.fixture
def team() -> Iterator[Web]:
    """A webhook that hears what is sent."""
    with serve(in_turn(Reply(204))) as web:
        WebhookChannel(url=SecretStr(f"{web.url}/")).save("team", overwrite=True)
        yield web


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("gone", "gone: there is no notification channel gone"),
        ("wrong", "wrong: block telegram-channel/wrong is not valid: token"),
        ("typed", "typed: there is no notification channel typed"),
    ],
)
def test_a_channel_that_does_not_load_keeps_no_other_from_hearing(team: Web, first: str, said: str) -> None:
    save_invalid("wrong")
    Secret(value=SecretStr("x")).save("typed", overwrite=True)
    (failed,) = tell((first, "team"), "it runs", {}, "key")
    assert failed.startswith(said)
    assert [json.loads(asked.body)["text"] for asked in team.asked] == ["it runs"]


class Pager(Notifier):
    """A kind of channel that exists in this test only."""

    _block_type_name = "Pager"
    _block_type_slug = "pager"
    heard: ClassVar[list[str]] = []

    number: str

    def secrets(self) -> tuple[str, ...]:
        return (self.number,)

    def send(self, text: str, data: Mapping[str, object], key: str, post: Post) -> None:
        self.heard.append(f"{key}: {text}")
        if text == "fail":
            raise OSError(f"{self.number} is engaged")


def test_a_kind_of_channel_that_is_registered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Pager(number="555-0123").save("ops", overwrite=True)
    (failed,) = tell(("ops",), "it runs", {}, "key")
    assert (
        failed
        == "ops: there is no notification channel ops — create a Telegram Channel or Webhook Channel "
        + ("block ops, or correct pipeline.yaml")
    )
    monkeypatch.setattr(catalog, "NOTIFIERS", (*catalog.NOTIFIERS, Pager))
    assert tell(("ops",), "it runs", {}, "key") == ()
    assert tell(("ops",), "fail", {}, "key") == ("ops: ••• is engaged",)
    assert Pager.heard == ["key/ops: it runs", "key/ops: fail"]


def test_a_channel_that_does_not_load_does_not_end_a_promotion_that_asks_people(team: Web) -> None:
    save_invalid("wrong")
    run: Any = SimpleNamespace(policy=SimpleNamespace(notify=("wrong", "team")))
    row: Any = SimpleNamespace(
        id=7,
        pipeline="shop",
        environment="prod",
        requested_by="cleo",
        flow_run_id=None,
        kind=Kind.PROMOTE,
        status=Status.WAITING,
    )
    tell_waiting(run, row, plan(), QuorumState(approved=False, rejected=False, have=0, need=2))
    assert len(team.asked) == 1
