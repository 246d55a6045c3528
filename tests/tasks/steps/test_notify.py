"""People are told by every channel; a broken one keeps nobody else from hearing, and no promotion from its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from blocks.notifier import Notifier
from blocks.telegram import TelegramChannel
from blocks.webhook_channel import WebhookChannel
from tasks.kernel.blocks import BlockError, MissingBlockError
from tasks.kernel.errors import TransientError
from tasks.kernel.redact import MASK, process_redactor
from tasks.ledger.store import Ledger
from tasks.steps import notify as module
from tasks.steps.notify import notify, read_channel, tell
from tasks.steps.run import Journal, Run
from tests.fakes.ledger import FakeLedger
from tests.fakes.notifier import FakeNotifier, Sent

DATA: dict[str, object] = {"promotion": 7}


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeNotifier | Exception]:
    """Channels by name; an error stands for one whose block does not load."""
    known: dict[str, FakeNotifier | Exception] = {}

    def read(name: str) -> Notifier:
        found = known[name]
        if isinstance(found, Exception):
            raise found
        return cast("Notifier", found)

    monkeypatch.setattr(module, "read_channel", read)
    return known


def test_every_channel_hears(channels: dict[str, FakeNotifier | Exception]) -> None:
    one, two = FakeNotifier(), FakeNotifier()
    channels.update(one=one, two=two)
    assert tell(("one", "two"), "Promoted", DATA, "promotion-7") == ()
    assert one.sent == [Sent("Promoted", DATA, "promotion-7/one")]
    assert two.sent == [Sent("Promoted", DATA, "promotion-7/two")]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            FakeNotifier(error=TransientError("Telegram did not answer", "wait")),
            "Telegram did not answer — wait",
        ),
        (FakeNotifier(error=RuntimeError("two\nlines")), "two lines"),
        (FakeNotifier(error=KeyError()), "KeyError"),
        (
            MissingBlockError("there is no notification channel broken"),
            "there is no notification channel broken",
        ),
        (
            BlockError("block telegram-channel/broken is not valid"),
            "block telegram-channel/broken is not valid",
        ),
    ],
)
def test_a_broken_channel_does_not_keep_the_next_from_hearing(
    channels: dict[str, FakeNotifier | Exception], broken: FakeNotifier | Exception, said: str
) -> None:
    after = FakeNotifier()
    channels.update(broken=broken, after=after)
    assert tell(("broken", "after"), "Promoted", DATA, "key") == (f"broken: {said}",)
    assert len(after.sent) == 1


def test_no_secret_is_told(channels: dict[str, FakeNotifier | Exception]) -> None:
    process_redactor().add("bot-token-4711")
    channels["one"] = FakeNotifier(error=RuntimeError("POST /bot-token-4711/sendMessage failed"))
    assert tell(("one",), "Promoted", DATA, "key") == (f"one: POST /{MASK}/sendMessage failed",)


def test_the_receipt_says_who_did_not_hear(channels: dict[str, FakeNotifier | Exception]) -> None:
    heard = FakeNotifier()
    channels.update(one=heard, two=FakeNotifier(error=RuntimeError("refused")))
    ledger = FakeLedger()
    run = SimpleNamespace(
        journal=Journal(cast("Ledger", ledger), 7), policy=SimpleNamespace(notify=("one", "two"))
    )
    told: Any = notify.fn
    assert (
        told(cast("Run", run), text="Promoted", data=DATA, key="k").text == "1 notified, 1 not: two: refused"
    )
    # The same promotion, taken up again, tells nobody a second time.
    told(cast("Run", run), text="Promoted", data=DATA, key="k")
    assert len(heard.sent) == 1


def test_a_channel_is_of_the_first_kind_that_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = WebhookChannel(url=SecretStr("http://x/"))

    def read(kind: type[Notifier], name: str) -> Notifier:
        if (kind, name) == (WebhookChannel, "team"):
            return webhook
        if (kind, name) == (TelegramChannel, "wrong"):
            raise BlockError("not valid")
        raise MissingBlockError("none")

    monkeypatch.setattr(module, "read_block", read)
    assert read_channel("team") is webhook
    with pytest.raises(BlockError, match="not valid"):
        read_channel("wrong")
    with pytest.raises(MissingBlockError, match="there is no notification channel gone") as told:
        read_channel("gone")
    assert (
        told.value.todo == "create a Telegram Channel or Webhook Channel block gone, or correct pipeline.yaml"
    )
