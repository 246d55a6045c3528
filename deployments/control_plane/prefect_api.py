"""Prefect's HTTP API, as far as commands and the receiver need it. Importing Prefect would cost a second."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
)

from blocks.settings import Settings
from deployments.control_plane.login import CLIENT, refused
from tasks.kernel.errors import SluiceError, TerminalError, TransientError

TERMINAL_STATES = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})
TRIES = 6

_TIMEOUT_SECONDS = 30.0
_HEALTH_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.2
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_PAGE = 200

Json = dict[str, Any]


class PrefectApi:
    """One Prefect server.

    Args:
        url: The API's address, with `/api`.
        login: `user:password`; the one in the environment when None.
    """

    def __init__(self, url: str, *, tries: int = TRIES, login: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._retrying = Retrying(
            retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_is_busy),
            stop=stop_after_attempt(tries),
            wait=wait_exponential(multiplier=_FIRST_PAUSE_SECONDS),
            retry_error_callback=_last,
        )
        # A proxy of the environment must not come between this machine and its own loopback address.
        # Authorities are read where there is something to verify; redirections are not followed.
        self._client = httpx.Client(
            base_url=self.url,
            timeout=_TIMEOUT_SECONDS,
            headers=_authorization(os.environ.get(CLIENT, "") if login is None else login),
            trust_env=False,
            verify=not self.url.startswith("http://"),
        )

    def healthy(self) -> bool:
        """Say whether the server answers now."""
        try:
            return self._client.get("/health", timeout=_HEALTH_SECONDS).is_success
        except httpx.HTTPError:
            return False

    def deployments(self) -> list[Json]:
        """Return every deployment."""
        return self._list("/deployments/filter", {"sort": "NAME_ASC"})

    def deployment(self, name: str) -> Json:
        """Return one deployment by `flow/name`; that there is none of this name is a TerminalError."""
        found: Json | None = self._find("GET", f"/deployments/name/{name}")
        if found is None:
            raise TerminalError(
                f"no deployment {name} at {self.url}", "deploy it: `sluice up`, or `prefect deploy --all`"
            )
        return found

    def work_pool(self, pool: str) -> Json | None:
        """Return a work pool, None where there is none."""
        return cast("Json | None", self._find("GET", f"/work_pools/{pool}"))

    def workers(self, pool: str) -> list[Json] | None:
        """Return the workers of a work pool, None where the pool does not exist."""
        return cast("list[Json] | None", self._find("POST", f"/work_pools/{pool}/workers/filter", {}))

    def block_documents(self, block_type: str) -> list[Json]:
        """Return the blocks of one type, sorted by name, their secrets hidden."""
        wanted = {"block_types": {"slug": {"any_": [block_type]}}}
        return sorted(self._list("/block_documents/filter", wanted), key=lambda one: str(one["name"]))

    def block_document(self, block_type: str, name: str) -> Json | None:
        """Return a block with its secrets, None where there is none."""
        path = f"/block_types/slug/{block_type}/block_documents/name/{name}"
        return cast("Json | None", self._find("GET", f"{path}?include_secrets=true"))

    def delete_block(self, block_type: str, name: str) -> bool:
        """Delete a block. Returns False where there was none."""
        document = self.block_document(block_type, name)
        if document is None:
            return False
        return self._send("DELETE", f"/block_documents/{document['id']}").is_success

    def create_run(
        self, deployment: str, parameters: Mapping[str, object], *, key: str = "", tags: Sequence[str] = ()
    ) -> str:
        """Start a run of a deployment, `flow/name`, and return its id.

        A request whose answer was lost is sent again with the same key, so there is one run.

        Args:
            key: Requests with the same key make one run; empty for a key of its own.
        """
        identifier = self.deployment(deployment)["id"]
        body = {
            "parameters": dict(parameters),
            "state": {"type": "SCHEDULED", "name": "Scheduled"},
            "idempotency_key": key or str(uuid.uuid4()),
            "tags": list(tags),
        }
        return str(self._ask("POST", f"/deployments/{identifier}/create_flow_run", body)["id"])

    def run(self, flow_run_id: str) -> Json:
        """Return a flow run."""
        return cast("Json", self._ask("GET", f"/flow_runs/{flow_run_id}"))

    def waits_until(self, flow_run_id: str) -> datetime | None:
        """Return until when a suspended run waits, None when it does not wait or nobody can tell."""
        try:
            run = self.run(flow_run_id)
        except SluiceError:
            return None
        text = ((run.get("state") or {}).get("state_details") or {}).get("pause_timeout")
        return datetime.fromisoformat(str(text)) if text else None

    def _list(self, path: str, body: Json) -> list[Json]:
        found: list[Json] = []
        while True:
            page = self._ask("POST", path, {**body, "limit": _PAGE, "offset": len(found)})
            found += page
            if len(page) < _PAGE:
                return found

    def _find(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401 - what JSON says
        """Ask for something; None where there is none."""
        answer = self._send(method, path, body)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _said(answer)

    def _ask(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401 - what JSON says
        return _said(self._send(method, path, body))

    def _send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        """Send a request, again when the server is busy or restarting."""
        try:
            return self._retrying(self._client.request, method, path, json=body)
        except httpx.TransportError as error:
            raise TransientError(
                f"Prefect's server at {self.url} does not answer: {error}",
                "start it with `sluice up`, or set PREFECT_API_URL",
            ) from error


def _authorization(login: str) -> dict[str, str]:
    if not login:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _is_busy(answer: httpx.Response) -> bool:
    return answer.status_code in _BUSY


def _last(state: RetryCallState) -> object:
    return state.outcome.result() if state.outcome is not None else None


def _said(answer: httpx.Response) -> Any:  # noqa: ANN401 - what JSON says
    if answer.is_success:
        return answer.json()
    request = answer.request
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        given = "Authorization" in request.headers
        raise refused(str(request.url.copy_with(raw_path=b"/api")), given=given, home=Settings().home)
    said = " ".join(answer.text.split())[:300]
    what = f"Prefect's server answered {answer.status_code} to {request.method} {request.url}: {said}"
    if _is_busy(answer):
        raise TransientError(what, "try again")
    raise TerminalError(what, "check that server and Sluice have the same Prefect version")
