"""Secrets must not show, in whatever form they are written."""

from __future__ import annotations

import base64
import json
import logging
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.kernel.redact import MASK, RedactingFilter, Redactor, install_log_redaction

SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=40)
AROUND = st.text("abc .:/", max_size=10)


@settings(deadline=None)
@given(secret=SECRET, before=AROUND, after=AROUND)
def test_a_secret_never_shows(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    for written in (
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    ):
        shown = redactor.text(f"{before}{written}{after}")
        assert written not in shown
        assert MASK in shown


@settings(deadline=None)
@given(secret=SECRET, user=st.text("abcdef", min_size=1, max_size=9))
def test_a_secret_within_base64_cannot_be_read_back(secret: str, user: str) -> None:
    coded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    shown = Redactor([secret]).text(f"Authorization: Basic {coded}")
    assert coded not in shown
    assert MASK in shown


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_is_too_short_is_no_secret(secret: str) -> None:
    assert Redactor([secret]).text("abc and a") == "abc and a"


def test_nothing_is_changed_without_secrets() -> None:
    assert Redactor().text("anything at all") == "anything at all"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["pass", "password-of-prod"]).text("password-of-prod") == MASK


def test_a_secret_is_learned_later() -> None:
    redactor = Redactor()
    assert redactor.text("token-1234") == "token-1234"
    redactor.add("token-1234")
    assert redactor.text("token-1234") == MASK


def test_each_line_of_a_key_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nAAAAbbbbCCCCdddd\nEEEEffff\n-----END KEY-----\n"
    shown = Redactor([key]).text("1: AAAAbbbbCCCCdddd\n2: EEEEffff")
    assert "AAAA" not in shown
    assert "EEEE" not in shown


def test_a_quoted_secret_does_not_show() -> None:
    assert "p w$d'x" not in Redactor(["p w$d"]).text(shlex.quote("p w$d"))


def record(message: object, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("name", logging.INFO, "file", 1, message, arguments, None)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("the token is hunter2-secret", ()),
        ("the token is %s", ("hunter2-secret",)),
        ("%(a)s", ({"a": "hunter2-secret"},)),
    ],
)
def test_a_log_record_is_redacted(message: str, arguments: tuple[object, ...]) -> None:
    made = record(message, *arguments)
    assert RedactingFilter(Redactor(["hunter2-secret"])).filter(made)
    assert "hunter2" not in made.getMessage()
    assert MASK in made.getMessage()


def test_an_ordinary_log_record_keeps_its_arguments() -> None:
    made = record("%s of %s", 1, 2)
    RedactingFilter(Redactor(["hunter2-secret"])).filter(made)
    assert (made.msg, made.args) == ("%s of %s", (1, 2))


def test_a_wrong_format_string_does_not_break_the_log() -> None:
    made = record("%d hunter2-secret", "text")
    assert RedactingFilter(Redactor(["hunter2-secret"])).filter(made)
    assert "hunter2" not in f"{made.msg}{made.args}"


@pytest.fixture
def factory() -> Iterator[None]:
    """The process as it starts: another test's flow may have installed the redaction already."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(before)


def test_every_logger_of_the_process_is_redacted(factory: None, caplog: pytest.LogCaptureFixture) -> None:
    install_log_redaction(Redactor(["hunter2-secret"]))
    install_log_redaction(Redactor(["hunter2-secret"]))
    try:
        raise ValueError("refused: hunter2-secret")
    except ValueError:
        logging.getLogger("some.library.deep").exception("failed with %s", "hunter2-secret")
    assert "hunter2" not in caplog.text
    assert caplog.text.count(MASK) >= 2
