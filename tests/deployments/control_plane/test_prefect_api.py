"""The client of Prefect's API, against a server of the test's own that is as busy as SQLite makes one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployments.control_plane.prefect_api import PrefectApi
from tasks.kernel.errors import TerminalError, TransientError
from tests.lab.plane import RunsApi
from tests.lab.ports import free_port

RUN = {"id": "r-1", "name": "promote → prod", "state_type": "RUNNING", "state_name": "Running", "state": {}}


class Busy(BaseHTTPRequestHandler):
    """Answers what `answers` holds, one after the other; the last one for ever."""

    answers: list[tuple[int, Any]]
    requests: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        self.requests.append((self.path, body))
        status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Print nothing."""


@pytest.fixture
def busy() -> Iterator[type[Busy]]:
    handler = type("Handler", (Busy,), {"answers": [], "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{server.server_port}/api"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_busy_server_gets_the_same_key_again_so_there_is_one_run(busy: Any) -> None:
    busy.answers = [(200, {"id": "d-1"}), (503, {}), (503, {}), (201, {"id": "r-1"})]
    assert PrefectApi(busy.url).create_run("promote/prod", {"ref": "v1"}) == "r-1"
    asked = [body for path, body in busy.requests if path.endswith("/create_flow_run")]
    assert len(asked) == 3
    assert len({body["idempotency_key"] for body in asked}) == 1
    assert asked[0]["parameters"] == {"ref": "v1"}


def test_a_server_that_stays_busy_is_transient(busy: Any) -> None:
    busy.answers = [(503, {"detail": "database is locked"})]
    with pytest.raises(TransientError, match=r"answered 503 .*database is locked"):
        PrefectApi(busy.url, tries=2).run("r-1")


def test_an_unknown_deployment_says_how_to_get_it(busy: Any) -> None:
    busy.answers = [(404, {})]
    with pytest.raises(TerminalError, match=r"no deployment promote/moon .* — deploy it"):
        PrefectApi(busy.url).create_run("promote/moon", {})


def test_an_answer_the_form_refuses_is_told(busy: Any) -> None:
    busy.answers = [(200, {"status": "REJECT", "details": {"reason": "'code' is a required property"}})]
    with pytest.raises(TerminalError, match=r"did not take the answer: 'code' is a required property"):
        RunsApi(busy.url).resume("r-1", {})


def test_an_answer_given_before_the_form_is_stored_is_given_again(busy: Any) -> None:
    early = (200, {"status": "REJECT", "details": {"reason": "Run input schema not found."}})
    busy.answers = [early, early, (201, {"status": "ACCEPT"})]
    RunsApi(busy.url).resume("r-1", {"code": "123456"})
    assert [body for _, body in busy.requests] == [{"run_input": {"code": "123456"}}] * 3


def test_waiting_ends_with_the_state_asked_for(busy: Any) -> None:
    paused = {**RUN, "state_type": "PAUSED", "state_name": "Suspended"}
    busy.answers = [(200, RUN), (200, RUN), (200, paused)]
    assert RunsApi(busy.url).wait_for_state("r-1", frozenset({"Suspended"}), 30)["state_type"] == "PAUSED"


def test_waiting_for_what_can_no_longer_come_fails_at_once(busy: Any) -> None:
    busy.answers = [
        (200, {**RUN, "state_type": "FAILED", "state_name": "Failed", "state": {"message": "no host"}})
    ]
    with pytest.raises(TerminalError, match=r"is Failed, not Suspended: no host"):
        RunsApi(busy.url).wait_for_state("r-1", frozenset({"Suspended"}), 600)


def test_waiting_is_bounded(busy: Any) -> None:
    busy.answers = [(200, RUN)]
    with pytest.raises(TerminalError, match=r"is Running"):
        RunsApi(busy.url).wait_for_state("r-1", None, 0.3)


def test_lists_are_read_to_their_end(busy: Any) -> None:
    busy.answers = [(200, [{"name": "a"}] * 200), (200, [{"name": "b"}])]
    assert len(PrefectApi(busy.url).deployments()) == 201
    assert [body["offset"] for _, body in busy.requests] == [0, 200]


def test_nobody_there_is_not_healthy_and_transient() -> None:
    api = PrefectApi(f"http://127.0.0.1:{free_port()}/api", tries=1)
    assert not api.healthy()
    with pytest.raises(TransientError, match=r"does not answer: .* — start it with `sluice up`"):
        api.run("r-1")


def test_a_login_from_the_environment_is_sent(busy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:pass")
    seen: list[str] = []

    def see(handler: Busy) -> None:
        seen.append(handler.headers["Authorization"])
        Busy.do_POST(handler)

    busy.do_GET = see
    busy.answers = [(200, RUN)]
    PrefectApi(busy.url).run("r-1")
    assert seen == ["Basic YWRtaW46cGFzcw=="]
