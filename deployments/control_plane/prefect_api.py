"""Prefect's HTTP API, as far as commands, demo and tests need it. Importing Prefect would cost a second."""

from __future__ import annotations

import base64
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import httpx

from blocks.settings import Settings
from deployments.control_plane.login import CLIENT, refused
from tasks.kernel.errors import SluiceError, TerminalError, TransientError

TERMINAL_STATES = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})

_TIMEOUT_SECONDS = 30.0
_HEALTH_SECONDS = 10.0
TRIES = 6
_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 0.5
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_PAGE = 200
_NO_FORM_YET = "Run input schema not found."
_FORM_SECONDS = 30.0

Json = dict[str, Any]


class PrefectApi:
    """One Prefect server.

    Args:
        url: The API's address, with `/api`.
        tries: How often a request that found no answer is sent.
        login: `user:password`; the one in the environment when None.
    """

    def __init__(self, url: str, *, tries: int = TRIES, login: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._tries = tries
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
        """Return one deployment by `flow/name`.

        Raises:
            TerminalError: There is none of this name.
            TransientError: The server does not answer.
        """
        answer = self._send("GET", f"/deployments/name/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise TerminalError(
                f"no deployment {name} at {self.url}", "deploy it: `sluice up`, or `prefect deploy --all`"
            )
        return _object(answer)

    def pause_schedules(self, name: str) -> None:
        """Start no runs of a deployment by its schedules, until it is deployed anew; those asked for are started.

        Args:
            name: `flow/name`.
        """
        identifier = self.deployment(name)["id"]
        _checked(self._send("POST", f"/deployments/{identifier}/pause_deployment"))

    def work_pool(self, pool: str) -> Json | None:
        """Return a work pool, None where there is none."""
        answer = self._send("GET", f"/work_pools/{pool}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else _object(answer)

    def workers(self, pool: str) -> list[Json] | None:
        """Return the workers of a work pool, None where the pool does not exist."""
        answer = self._send("POST", f"/work_pools/{pool}/workers/filter", {})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return cast("list[Json]", _checked(answer).json())

    def block_documents(self, block_type: str) -> list[Json]:
        """Return the blocks of one type, sorted by name, their secrets hidden."""
        wanted = {"block_types": {"slug": {"any_": [block_type]}}}
        return sorted(self._list("/block_documents/filter", wanted), key=lambda one: str(one["name"]))

    def block_document(self, block_type: str, name: str) -> Json | None:
        """Return a block with its secrets, None where there is none."""
        path = f"/block_types/slug/{block_type}/block_documents/name/{name}"
        answer = self._send("GET", f"{path}?include_secrets=true")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _object(answer)

    def delete_block(self, block_type: str, name: str) -> bool:
        """Delete a block. Returns False where there was none."""
        document = self.block_document(block_type, name)
        if document is None:
            return False
        return self._send("DELETE", f"/block_documents/{document['id']}").is_success

    def create_run(
        self, deployment: str, parameters: Mapping[str, object], *, key: str = "", tags: Sequence[str] = ()
    ) -> str:
        """Start a run of a deployment.

        A request whose answer was lost is sent again with the same key, so there is one run.

        Args:
            deployment: `flow/name`.
            key: Requests with the same key make one run; empty for a key of its own.
            tags: Tags of the run, beside those of the deployment.

        Returns:
            The flow run's id.
        """
        identifier = self.deployment(deployment)["id"]
        body = {
            "parameters": dict(parameters),
            "state": {"type": "SCHEDULED", "name": "Scheduled"},
            "idempotency_key": key or str(uuid.uuid4()),
            "tags": list(tags),
        }
        return str(_object(self._send("POST", f"/deployments/{identifier}/create_flow_run", body))["id"])

    def run(self, flow_run_id: str) -> Json:
        """Return a flow run."""
        return _object(self._send("GET", f"/flow_runs/{flow_run_id}"))

    def waits_until(self, flow_run_id: str) -> datetime | None:
        """Return until when a suspended run waits, None when it does not wait or nobody can tell."""
        try:
            run = self.run(flow_run_id)
        except SluiceError:
            return None
        text = ((run.get("state") or {}).get("state_details") or {}).get("pause_timeout")
        return datetime.fromisoformat(str(text)) if text else None

    def logs(self, flow_run_id: str) -> list[str]:
        """Return the messages a flow run logged, the oldest first."""
        wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "sort": "TIMESTAMP_ASC"}
        return [str(one["message"]) for one in self._list("/logs/filter", wanted)]

    def task_runs(self, flow_run_id: str) -> list[Json]:
        """Return the task runs of a flow run."""
        return self._list("/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [flow_run_id]}}})

    def form(self, flow_run_id: str) -> Json:
        """Return what the form of a run that waits is filled in with when the UI opens it.

        Raises:
            TerminalError: The run does not wait for an answer.
        """
        deadline = time.monotonic() + _FORM_SECONDS
        keys = ((self.run(flow_run_id).get("state") or {}).get("state_details") or {}).get("run_input_keyset")
        if not keys:
            raise TerminalError(f"run {flow_run_id} does not wait for an answer", "look at the run")
        while True:
            answer = self._send("GET", f"/flow_runs/{flow_run_id}/input/{keys['schema']}")
            # A run is suspended first, and its form is stored a moment later.
            if answer.status_code != httpx.codes.NOT_FOUND or time.monotonic() >= deadline:
                fields = _object(answer)["properties"]
                return {name: field["default"] for name, field in fields.items() if "default" in field}
            time.sleep(_POLL_SECONDS)

    def resume(self, flow_run_id: str, answer: Mapping[str, object]) -> None:
        """Answer a run that waits, as the form of the UI does.

        Raises:
            TerminalError: The run does not wait, or the answer does not fit the form.
        """
        deadline = time.monotonic() + _FORM_SECONDS
        while True:
            result = _object(
                self._send("POST", f"/flow_runs/{flow_run_id}/resume", {"run_input": dict(answer)})
            )
            if result.get("status") == "ACCEPT":
                return
            reason = (result.get("details") or {}).get("reason") or "no reason given"
            # A run is suspended first, and its form is stored a moment later.
            if reason != _NO_FORM_YET or time.monotonic() >= deadline:
                raise TerminalError(f"run {flow_run_id} did not take the answer: {reason}", "look at the run")
            time.sleep(_POLL_SECONDS)

    def retry(self, flow_run_id: str) -> None:
        """Start an ended run again, as `prefect flow-run retry` does."""
        state = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
        _object(self._send("POST", f"/flow_runs/{flow_run_id}/set_state", state))

    def wait_for_state(self, flow_run_id: str, names: frozenset[str] | None, timeout_seconds: float) -> Json:
        """Wait until a run is in one of some states.

        Args:
            names: State names (`Suspended`) or types (`PAUSED`); None for any terminal state.

        Raises:
            TerminalError: The time is up, or the run ended in another state than those asked for.
        """
        wanted = names if names is not None else TERMINAL_STATES
        deadline = time.monotonic() + timeout_seconds
        pause = _POLL_SECONDS
        while True:
            run = self.run(flow_run_id)
            kind, name = str(run.get("state_type")), str(run.get("state_name"))
            if {kind, name} & wanted:
                return run
            if kind in TERMINAL_STATES or time.monotonic() >= deadline:
                said = (run.get("state") or {}).get("message") or "no message"
                raise TerminalError(
                    f"run {run.get('name')} is {name}, not {' or '.join(sorted(wanted))}: {said}",
                    f"look at it: {self.url.removesuffix('/api')}/runs/flow-run/{flow_run_id}",
                )
            time.sleep(pause)
            pause = min(1.2 * pause, _LONGEST_POLL_SECONDS)

    def _list(self, path: str, body: Json) -> list[Json]:
        found: list[Json] = []
        while True:
            page = _checked(self._send("POST", path, {**body, "limit": _PAGE, "offset": len(found)})).json()
            found += page
            if len(page) < _PAGE:
                return found

    def _send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        """Send a request, again when the server is busy or restarting."""
        for number in range(self._tries):
            last = number == self._tries - 1
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                if last:
                    raise TransientError(
                        f"Prefect's server at {self.url} does not answer: {error}",
                        "start it with `sluice up`, or set PREFECT_API_URL",
                    ) from error
            else:
                if last or answer.status_code not in _BUSY:
                    return answer
            time.sleep(0.2 * 2**number)
        raise AssertionError("unreachable")


def _authorization(login: str) -> dict[str, str]:
    if not login:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    request = answer.request
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        given = "Authorization" in request.headers
        raise refused(str(request.url.copy_with(raw_path=b"/api")), given=given, home=Settings().home)
    said = " ".join(answer.text.split())[:300]
    what = f"Prefect's server answered {answer.status_code} to {request.method} {request.url}: {said}"
    if answer.status_code in _BUSY:
        raise TransientError(what, "try again")
    raise TerminalError(what, "check that server and Sluice have the same Prefect version")


def _object(answer: httpx.Response) -> Json:
    return cast("Json", _checked(answer).json())
