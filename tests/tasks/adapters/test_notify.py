"""Notifications against a real small web server."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.types import SecretDict
from pydantic import SecretStr

from blocks.notifier import Notifier
from blocks.telegram import LONGEST, TelegramChannel, shorten
from blocks.webhook_channel import WebhookChannel
from tasks.adapters.notify import post
from tasks.kernel.errors import TerminalError, TransientError
from tasks.kernel.redact import process_redactor
from tests.tasks.adapters.web import Reply, Web, in_turn, serve

TOKEN = "12345:AAbbCCddEEffGG-secret"
OK = Reply(body=b'{"ok": true}')


@dataclass
class Channel:
    """A channel as `tell` uses it, but for the pauses, which are only noted."""

    block: Notifier
    slept: list[float] = field(default_factory=list)

    def send(self, text: str, data: Mapping[str, object], key: str) -> None:
        process_redactor().add(*self.block.secrets())
        self.block.send(text, data, key, partial(post, sleep=self.slept.append))


def telegram(web: Web, slept: list[float] | None = None) -> Channel:
    block = TelegramChannel(token=SecretStr(TOKEN), chat_id="-100", base_url=web.url)
    return Channel(block, [] if slept is None else slept)


def webhook(web: Web, slept: list[float] | None = None) -> Channel:
    block = WebhookChannel(url=SecretStr(f"{web.url}/hook"), headers=SecretDict({"X-Team": "shop"}))
    return Channel(block, [] if slept is None else slept)


def too_many(seconds: float) -> Reply:
    return Reply(429, json.dumps({"ok": False, "parameters": {"retry_after": seconds}}).encode())


def test_telegram_is_sent_plain_text() -> None:
    with serve(in_turn(OK)) as web:
        telegram(web).send("shop <b>v2</b> *is* live _now_", {"a": 1}, "key")
    (asked,) = web.asked
    assert (asked.method, asked.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    body = json.loads(asked.body)
    assert (body["chat_id"], body["text"]) == ("-100", "shop <b>v2</b> *is* live _now_")
    assert "parse_mode" not in body


def test_a_webhook_is_sent_json_with_its_key() -> None:
    with serve(in_turn(Reply(204))) as web:
        webhook(web).send("done", {"environment": "prod", "ok": True}, "promotion-7")
    (asked,) = web.asked
    assert json.loads(asked.body) == {"text": "done", "data": {"environment": "prod", "ok": True}}
    assert asked.headers["Idempotency-Key"] == "promotion-7"
    assert asked.headers["X-Team"] == "shop"
    assert asked.headers["Content-Type"] == "application/json"


Make = Callable[[Web, list[float]], Channel]


@pytest.mark.parametrize("make", [telegram, webhook])
def test_a_failing_receiver_is_tried_three_times(make: Make) -> None:
    slept: list[float] = []
    with serve(in_turn(Reply(502))) as web, pytest.raises(TransientError, match="status 502"):
        make(web, slept).send("text", {}, "key")
    assert (len(web.asked), slept) == (3, [1.0, 2.0])


@pytest.mark.parametrize("make", [telegram, webhook])
def test_a_receiver_that_recovers_is_told_once(make: Make) -> None:
    with serve(in_turn(Reply(500), OK)) as web:
        make(web, []).send("text", {}, "key")
    assert len(web.asked) == 2
    assert len({asked.headers.get("Idempotency-Key") for asked in web.asked}) == 1


@pytest.mark.parametrize("make", [telegram, webhook])
@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_what_was_redirected_was_told_to_nobody(make: Make, status: int) -> None:
    moved = Reply(status, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    with serve(in_turn(moved)) as web, pytest.raises(TerminalError, match=rf"redirected .*status {status}"):
        make(web, []).send("text", {}, "key")
    assert len(web.asked) == 1


def test_the_pause_telegram_asks_for_is_kept() -> None:
    slept: list[float] = []
    with serve(in_turn(too_many(7), OK)) as web:
        telegram(web, slept).send("text", {}, "key")
    assert slept == [7.0]


def test_a_long_pause_is_not_waited_for() -> None:
    slept: list[float] = []
    with serve(in_turn(too_many(3600))) as web, pytest.raises(TransientError, match="asks to wait 3600 s"):
        telegram(web, slept).send("text", {}, "key")
    assert slept == []


def test_a_refusal_is_final_and_told() -> None:
    refusal = Reply(400, b'{"ok": false, "description": "Bad Request: chat not found"}')
    with serve(in_turn(refusal)) as web, pytest.raises(TerminalError, match="chat not found"):
        telegram(web).send("text", {}, "key")
    assert len(web.asked) == 1


def test_the_token_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    caplog.set_level(logging.DEBUG)
    process_redactor().add(TOKEN)
    errors = []
    for base in (f"http://127.0.0.1:{port}", "http://[", "nonsense"):
        with pytest.raises((TransientError, TerminalError)) as error:
            post("Telegram", f"{base}/bot{TOKEN}/sendMessage", {}, {}, sleep=lambda _: None)
        errors.append(f"{error.value!r} {error.value.detail}")
    with serve(in_turn(Reply(401, TOKEN.encode()))) as web, pytest.raises(TerminalError) as error:
        telegram(web).send("text", {}, "key")
    with serve(in_turn(OK)) as web:
        telegram(web).send("text", {}, "key")
    assert "HTTP Request" in caplog.text
    assert TOKEN not in f"{errors} {error.value!r} {caplog.text}"
    assert TOKEN.partition(":")[2] not in caplog.text


def test_a_webhook_address_is_in_no_error() -> None:
    notifier = Channel(WebhookChannel(url=SecretStr("http://127.0.0.1:1/services/T000/verysecretpath")))
    with pytest.raises(TransientError) as error:
        notifier.send("text", {}, "key")
    assert "verysecretpath" not in repr(error.value)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@settings(deadline=None)
@given(text=st.text(max_size=60), limit=st.integers(1, 40))
def test_a_text_is_cut_to_what_is_allowed(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert units(short) <= limit
    assert short == text if units(text) <= limit else short.endswith("…")
    assert text.startswith(short.removesuffix("…"))


def test_a_long_text_is_delivered_cut() -> None:
    with serve(in_turn(OK)) as web:
        telegram(web).send("🚀" * 3000, {}, "key")
    sent = json.loads(web.asked[0].body)["text"]
    assert units(sent) <= LONGEST
    assert sent == "🚀" * 2047 + "…"
