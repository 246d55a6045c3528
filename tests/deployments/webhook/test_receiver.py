"""What the receiver answers to GitHub, and to everybody else."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.values.deliveries import DeliveryStatus
from deployments.webhook import app
from deployments.webhook.accept import LARGEST_BODY_BYTES, signature_holds
from tasks.kernel.errors import TransientError
from tests.data import NAMES, event_of
from tests.deployments.webhook.conftest import Served
from tests.deployments.webhook.sender import BLOCK, OLD_SECRET, body_of, delivery_of, headers, sign

PUSH = body_of("push_branch")
DEEP = b'{"repository": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def fresh() -> bytes:
    """A push no test sent before."""
    return body_of("push_branch", compare=str(uuid.uuid4()))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ping"])
def test_every_event_is_stored_before_it_is_answered(served: Served, name: str) -> None:
    body, sent = delivery_of(name, zen=str(uuid.uuid4()))
    answer = served.post(body, sent)
    assert (answer.status_code, answer.json()) == (202, {"answer": "stored"})
    row = served.ledger.deliveries.get(sent["X-GitHub-Delivery"])
    assert row is not None
    assert (row.event, row.repository) == (event_of(name), "acme/shop")
    assert (row.status is DeliveryStatus.IGNORED) == bool(row.reason)


def test_a_repeated_delivery_does_nothing(served: Served) -> None:
    body, sent = delivery_of("push_branch", zen=str(uuid.uuid4()))
    assert served.post(body, sent).status_code == 202
    before = served.stored()
    again = served.post(body, sent)
    assert (again.status_code, again.json()) == (200, {"answer": "known already: nothing happens"})
    assert served.stored() == before


def test_a_captured_delivery_starts_nothing_under_another_id(served: Served) -> None:
    body, sent = delivery_of("push_branch", zen=str(uuid.uuid4()))
    served.post(body, sent)
    before = served.would_start()
    copy = served.post(body, headers(body))
    assert (copy.status_code, copy.json()) == (200, {"answer": "a copy of another delivery: nothing happens"})
    assert served.would_start() == before


def test_a_forged_delivery_burns_no_genuine_id(served: Served) -> None:
    body, sent = delivery_of("push_branch", zen=str(uuid.uuid4()))
    forged = served.post(PUSH, {**sent, "X-Hub-Signature-256": sign(PUSH, "a-guess-of-somebody")})
    assert forged.status_code == 401
    assert served.ledger.deliveries.get(sent["X-GitHub-Delivery"]) is None
    assert served.post(body, sent).status_code == 202


def test_every_secret_of_the_list_is_accepted(served: Served) -> None:
    body = fresh()
    assert served.post(body, headers(body, X_Hub_Signature_256=sign(body, OLD_SECRET))).status_code == 202
    assert not signature_holds("0" * 64, body, [])


def test_a_ping_is_answered_whatever_it_is_about(served: Served) -> None:
    body, sent = delivery_of("ping")
    assert (served.post(body, sent).status_code, served.post(body, sent).json()) == (200, {"answer": "pong"})
    organisation = body_of("ping", repository=None)
    assert served.post(organisation, headers(organisation, "ping")).status_code == 200
    assert served.post(body, {**sent, "X-Hub-Signature-256": "sha256=" + "0" * 64}).status_code == 401


def test_repositories_that_are_not_configured_are_refused(served: Served) -> None:
    others: tuple[object, ...] = ({"full_name": "mallory/shop"}, {"full_name": 7}, [], None)
    for repository in others:
        body = body_of("push_branch", repository=repository)
        assert served.post(body, headers(body)).status_code == 403
    body = body_of("push_branch", repository={"full_name": "ACME/Shop"}, zen=str(uuid.uuid4()))
    assert served.post(body, headers(body)).status_code == 202


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("acme/store", {"repository": {"name": {"from": "shop"}}}),
        ("umbrella/shop", {"owner": {"from": {"user": {"login": "acme"}}}}),
        ("umbrella/shop", {"owner": {"from": {"organization": {"login": "acme"}}}}),
    ],
)
def test_a_repository_that_got_another_name_is_recorded_under_the_one_that_is_set(
    served: Served, name: str, changes: object
) -> None:
    body = json.dumps(
        {"action": "renamed", "changes": changes, "repository": {"full_name": name}, "x": str(uuid.uuid4())}
    ).encode()
    sent = headers(body, "repository")
    assert served.post(body, sent).status_code == 202
    row = served.ledger.deliveries.get(sent["X-GitHub-Delivery"])
    assert row is not None
    assert (row.repository, row.status) == ("acme/shop", DeliveryStatus.IGNORED)
    assert f"is {name} now" in row.reason


@pytest.mark.parametrize(
    "changes", [{"repository": {"name": {"from": "moon"}}}, {"owner": []}, [], None, "x"]
)
def test_a_repository_that_never_was_ours_stays_refused(served: Served, changes: object) -> None:
    body = json.dumps(
        {"action": "renamed", "changes": changes, "repository": {"full_name": "acme/sun"}}
    ).encode()
    assert served.post(body, headers(body, "repository")).status_code == 403


def test_who_knows_the_secret_and_is_not_named_is_logged_once(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"acme/store-{uuid.uuid4()}"
    body = body_of("push_branch", repository={"full_name": name})
    for _ in range(3):
        assert served.post(body, headers(body)).status_code == 403
    forged = headers(body, X_Hub_Signature_256=sign(body, "a-guess-of-somebody"))
    assert served.post(body, forged).status_code == 401
    (line,) = [one.getMessage() for one in caplog.records if name in one.getMessage()]
    assert "acme/shop" in line
    assert "github, git-repository and github-webhooks" in line


def test_what_is_signed_and_not_githubs_is_recorded_and_starts_nothing(served: Served) -> None:
    body = body_of("push_branch", after="main", zen=str(uuid.uuid4()))
    sent = headers(body)
    assert served.post(body, sent).status_code == 202
    row = served.ledger.deliveries.get(sent["X-GitHub-Delivery"])
    assert row is not None
    assert row.status is DeliveryStatus.IGNORED
    assert row.reason.startswith("the payload of push is not GitHub's: after: ")


HOSTILE: dict[str, tuple[bytes, dict[str, str], int]] = {
    "no signature": (PUSH, headers(PUSH, X_Hub_Signature_256=None), 401),
    "wrong signature": (PUSH, headers(PUSH, X_Hub_Signature_256=sign(PUSH + b" ")), 401),
    "truncated signature": (PUSH, headers(PUSH, X_Hub_Signature_256=sign(PUSH)[:-1]), 401),
    "longer signature": (PUSH, headers(PUSH, X_Hub_Signature_256=sign(PUSH) + "0"), 401),
    "empty signature": (PUSH, headers(PUSH, X_Hub_Signature_256=""), 401),
    "upper-case signature": (PUSH, headers(PUSH, X_Hub_Signature_256=sign(PUSH).upper()), 401),
    "two in one": (PUSH, headers(PUSH, X_Hub_Signature_256=f"{sign(PUSH)},{sign(PUSH)}"), 401),
    "sha1 signature": (PUSH, headers(PUSH, X_Hub_Signature_256="sha1=" + "0" * 40), 401),
    "changed body": (PUSH + b" ", headers(PUSH), 401),
    "no id": (PUSH, headers(PUSH, X_GitHub_Delivery=None), 400),
    "strange id": (PUSH, headers(PUSH, X_GitHub_Delivery="../../etc/passwd"), 400),
    "long id": (PUSH, headers(PUSH, X_GitHub_Delivery="1" * 65), 400),
    "no event": (PUSH, headers(PUSH, X_GitHub_Event=None), 400),
    "strange event": (PUSH, headers(PUSH, X_GitHub_Event="push; id"), 400),
    "no content type": (PUSH, headers(PUSH, Content_Type=None), 415),
    "text": (PUSH, headers(PUSH, Content_Type="text/plain"), 415),
    "form type": (PUSH, headers(PUSH, Content_Type="application/x-www-form-urlencoded"), 415),
    "another charset": (PUSH, headers(PUSH, Content_Type="application/json; charset=utf-7"), 415),
    "gzip": (gzip.compress(PUSH), headers(gzip.compress(PUSH), Content_Encoding="gzip"), 415),
    "gzip unsaid": (gzip.compress(PUSH), headers(gzip.compress(PUSH)), 400),
    "form body": ((form := urlencode({"payload": PUSH}).encode()), headers(form), 400),
    "empty body": (b"", headers(b""), 400),
    "deep JSON": (DEEP, headers(DEEP), 400),
    "deep objects": ((objects := b'{"a":' * 100_000), headers(objects), 400),
    "half JSON": (PUSH[:-1], headers(PUSH[:-1]), 400),
    "no UTF-8": ((latin := b'{"a": "\xff\xfe"}'), headers(latin), 400),
    "UTF-16": ((utf16 := PUSH.decode().encode("utf-16")), headers(utf16), 400),
    "huge number": ((huge := b'{"repository": ' + b"9" * 10_000 + b"}"), headers(huge), 400),
    "a list": (b"[]", headers(b"[]"), 403),
    "null": (b"null", headers(b"null"), 403),
    "not a number": (b"NaN", headers(b"NaN"), 403),
    "surrogate repository": (
        (lone := b'{"repository": {"full_name": "\\ud800"}}'), headers(lone), 403,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "sent", "status"), HOSTILE.values(), ids=HOSTILE.keys())
def test_the_corpus_of_hostile_deliveries(
    served: Served, body: bytes, sent: dict[str, str], status: int
) -> None:
    before = served.stored()
    answer = served.post(body, sent)
    assert answer.status_code == status
    assert set(answer.json()) == {"answer"}
    assert served.stored() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"ref": "refs/heads/a\0b"},
        {"ref": "refs/heads/\ud800"},
        {"ref": "refs/heads/$(touch /tmp/x)"},
        {"ref": "--upload-pack=id"},
        {"sender": {"login": "\udfff\0", "type": "User"}},
        {"sender": {"login": "x" * 5000}},
        {"after": 7},
        {"head_commit": {"id": None}},
    ],
)
def test_signed_and_hostile_inside(served: Served, changes: dict[str, object]) -> None:
    body = body_of("push_branch", zen=str(uuid.uuid4()), **changes)
    sent = headers(body)
    assert served.post(body, sent).status_code == 202
    assert served.ledger.deliveries.get(sent["X-GitHub-Delivery"]) is not None


def raw(served: Served, request: bytes, *, then: Callable[[socket.socket], None] = lambda _: None) -> bytes:
    """Send bytes as they are; return what comes back."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(request)
        then(connection)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def head(sent: dict[str, str], length: int | str, *more: str) -> bytes:
    lines = ["POST /webhooks/github HTTP/1.1", "Host: x", f"Content-Length: {length}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in sent.items()]
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "twice", ["X-Hub-Signature-256", "X-GitHub-Delivery", "X-GitHub-Event", "Content-Type"]
)
def test_a_header_that_is_there_twice_has_no_meaning(served: Served, twice: str) -> None:
    body = fresh()
    sent = headers(body)
    for more in (sent[twice], "sha256=" + "0" * 64):
        answer = raw(served, head(sent, len(body), f"{twice}: {more}") + body)
        assert answer.startswith(b"HTTP/1.1 400 ")
    assert served.ledger.deliveries.get(sent["X-GitHub-Delivery"]) is None


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (LARGEST_BODY_BYTES + 1, 413),
        ("9" * 19, 413),
        ("-1", 400),
        ("12, 13", 400),
    ],
)
def test_a_length_that_cannot_be_is_answered_before_the_body(
    served: Served, length: int | str, status: int
) -> None:
    answer = raw(served, head(headers(PUSH), length))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_bytes_that_are_no_http(served: Served) -> None:
    sent = headers(PUSH)
    for request in (
        b"\0\0\0\0\r\n\r\n",
        head({**sent, "X-GitHub-Event": "push\0"}, len(PUSH)) + PUSH,
        head({**sent, "X-GitHub-Delivery": "ü€"[:1]}, len(PUSH)) + PUSH,
    ):
        assert raw(served, request).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_grows_too_large_is_cut(served: Served) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LARGEST_BODY_BYTES // 2**20 + 2):
            yield b" " * 2**20

    try:
        answer = served.client.post(app.PATH, content=chunks(), headers=headers(b""))
    except httpx.TransportError:
        # The receiver answered and closed while the rest was still being sent.
        return
    assert answer.status_code == 413


def test_a_large_genuine_body_is_taken_in(served: Served) -> None:
    body = body_of("push_branch", commits=["x" * 1000] * 3000, zen=str(uuid.uuid4()))
    sent = headers(body)
    assert served.post(body, sent).status_code == 202
    row = served.ledger.deliveries.get(sent["X-GitHub-Delivery"])
    assert row is not None
    assert len(row.facts) < 1000


def test_many_large_bodies_at_once_do_not_fill_the_memory(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_BYTES", 1000)
    assert served.post(PUSH, headers(PUSH)).status_code == 429


def test_a_body_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "READ_SECONDS", 0.2)
    answer = raw(served, head(headers(PUSH), len(PUSH)) + PUSH[:10])
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_ends_in_the_middle_stores_nothing(served: Served) -> None:
    body = fresh()
    sent = headers(body)
    raw(served, head(sent, len(body)) + body[:10], then=lambda one: one.shutdown(socket.SHUT_WR))
    assert served.ledger.deliveries.get(sent["X-GitHub-Delivery"]) is None


def test_other_paths_and_methods(served: Served) -> None:
    assert served.client.get(app.PATH).status_code == 405
    assert served.client.post("/", content=PUSH, headers=headers(PUSH)).status_code == 404
    assert served.client.get("/docs").status_code == served.client.get("/openapi.json").status_code == 404


def test_before_it_is_configured_github_is_told_to_come_back(served: Served) -> None:
    served.configuration = None
    try:
        assert served.post(PUSH, headers(PUSH)).status_code == 503
    finally:
        served.configuration = BLOCK


def test_a_ledger_that_cannot_be_written_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise TransientError("the ledger did not answer: database is locked")

    body = fresh()
    with monkeypatch.context() as patched:
        patched.setattr(served.ledger.deliveries, "take_in", locked)
        assert served.post(body, headers(body)).status_code == 503
        patched.setattr(served.ledger.deliveries, "take_in", lambda *_: 1 / 0)
        assert served.post(body, headers(body)).status_code == 503
    assert served.post(body, headers(body)).status_code == 202


def test_health_and_metrics(served: Served) -> None:
    assert served.client.get("/healthz").json() == {"answer": "ok"}
    served.ailing = "the dispatcher ended"
    answer = served.client.get("/healthz")
    served.ailing = ""
    assert (answer.status_code, answer.json()) == (503, {"answer": "the dispatcher ended"})
    body = fresh()
    served.post(body, headers(body))
    text = served.client.get("/metrics").text
    assert 'sluice_webhook_answers_total{status="202"}' in text
    assert 'sluice_webhook_deliveries{status="received"}' in text
    assert "sluice_webhook_answer_seconds_bucket" in text


def test_many_connections_at_once_store_each_delivery_once(served: Served) -> None:
    deliveries = [delivery_of("push_branch", zen=str(uuid.uuid4())) for _ in range(40)]
    statuses: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", trust_env=False, timeout=60) as client:
            for body, sent in deliveries:
                statuses.append(client.post(app.PATH, content=body, headers=sent).status_code)

    threads = [threading.Thread(target=send) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(statuses) == [200] * 160 + [202] * 40


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | st.sampled_from([PUSH, DEEP, b"null", b'{"repository":{}}']),
    signed=st.booleans(),
    given_headers=st.dictionaries(
        st.sampled_from(
            ["Content-Type", "X-GitHub-Delivery", "X-GitHub-Event", "X-Hub-Signature-256", "Content-Encoding"]
        ),
        st.text(
            st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80
        ).map(str.strip),
        max_size=3,
    ),
)
def test_whatever_comes_it_is_never_a_5xx_and_never_a_run(
    served: Served, body: bytes, signed: bool, given_headers: dict[str, str]
) -> None:
    sent = headers(body, X_Hub_Signature_256=None if not signed else sign(body)) | given_headers
    before = served.would_start()
    request = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    answer = served.client.post(app.PATH, content=body, headers=request)
    assert answer.status_code < 500
    if answer.status_code != 202:
        assert served.would_start() == before
    else:
        assert signed
        assert json.loads(body)["repository"]["full_name"] == "acme/shop"


def test_the_ledgers_clock_is_utc(served: Served) -> None:
    assert served.stored()[0].received_at <= datetime.now(UTC)
