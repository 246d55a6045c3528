"""A control plane as tests, bench and demo use it: what `sluice up` starts, and what a person then does with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from deployments.control_plane.bootstrap import WORKER_STOP_SECONDS, ControlPlane
from deployments.control_plane.connect import refresh_prefect
from deployments.control_plane.parts import start_server, wait_for_server
from deployments.control_plane.prefect_api import TERMINAL_STATES, Json, PrefectApi
from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll
from tests.lab.ports import free_port

_NO_FORM_YET = "Run input schema not found."
_FORM_SECONDS = 30.0
_POLL_SECONDS = 0.25


class RunsApi(PrefectApi):
    """Prefect's API with what its UI and `prefect flow-run` do with runs."""

    def pause_schedules(self, name: str) -> None:
        """Start no runs of a deployment, `flow/name`, by its schedules; those asked for are started."""
        path = f"/deployments/{self.deployment(name)['id']}/pause_deployment"
        self._send("POST", path).raise_for_status()

    def logs(self, flow_run_id: str) -> list[str]:
        """Return the messages a flow run logged, the oldest first."""
        wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "sort": "TIMESTAMP_ASC"}
        return [str(one["message"]) for one in self._list("/logs/filter", wanted)]

    def task_runs(self, flow_run_id: str) -> list[Json]:
        return self._list("/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [flow_run_id]}}})

    def retry(self, flow_run_id: str) -> None:
        """Start an ended run again, as `prefect flow-run retry` does."""
        state = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
        self._ask("POST", f"/flow_runs/{flow_run_id}/set_state", state)

    def form(self, flow_run_id: str) -> Json:
        """Return what the form of a run that waits is filled in with when the UI opens it."""
        keys = ((self.run(flow_run_id).get("state") or {}).get("state_details") or {}).get("run_input_keyset")
        if not keys:
            raise TerminalError(f"run {flow_run_id} does not wait for an answer", "look at the run")
        path = f"/flow_runs/{flow_run_id}/input/{keys['schema']}"
        # A run is suspended first, and its form is stored a moment later.
        stored = poll(
            lambda: self._send("GET", path),
            lambda answer: answer.status_code != httpx.codes.NOT_FOUND,
            seconds=_FORM_SECONDS,
            every=_POLL_SECONDS,
        )
        fields = stored.raise_for_status().json()["properties"]
        return {name: field["default"] for name, field in fields.items() if "default" in field}

    def resume(self, flow_run_id: str, answer: Mapping[str, object]) -> None:
        """Answer a run that waits, as the form of the UI does."""

        def refusal() -> str:
            said = self._ask("POST", f"/flow_runs/{flow_run_id}/resume", {"run_input": dict(answer)})
            if said.get("status") == "ACCEPT":
                return ""
            return str((said.get("details") or {}).get("reason") or "no reason given")

        reason = poll(refusal, lambda said: said != _NO_FORM_YET, seconds=_FORM_SECONDS, every=_POLL_SECONDS)
        if reason:
            raise TerminalError(f"run {flow_run_id} did not take the answer: {reason}", "look at the run")

    def wait_for_state(self, flow_run_id: str, names: frozenset[str] | None, timeout_seconds: float) -> Json:
        """Wait until a run is in one of some states.

        Args:
            names: State names (`Suspended`) or types (`PAUSED`); None for any terminal state.

        Raises:
            TerminalError: The time is up, or the run ended in another state than those asked for.
        """
        wanted = names if names is not None else TERMINAL_STATES
        run = poll(
            lambda: self.run(flow_run_id),
            lambda run: bool({run.get("state_type"), run.get("state_name")} & (wanted | TERMINAL_STATES)),
            seconds=timeout_seconds,
            every=_POLL_SECONDS,
        )
        if {run.get("state_type"), run.get("state_name")} & wanted:
            return run
        said = (run.get("state") or {}).get("message") or "no message"
        raise TerminalError(
            f"run {run.get('name')} is {run.get('state_name')}, not {' or '.join(sorted(wanted))}: {said}",
            f"look at it: {self.url.removesuffix('/api')}/runs/flow-run/{flow_run_id}",
        )


class LabPlane(ControlPlane):
    """A control plane that is restarted, that this process can talk to, and whose runs are answered.

    Args:
        home: The folder of everything it keeps.
        port: The server's port, None for a free one.
    """

    api: RunsApi

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        limit: int = 4,
        *,
        inherited: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home, free_port() if port is None else port, limit, inherited=inherited)
        self.api = RunsApi(self.api.url, login=self.login.text)
        self._activated: dict[str, str | None] | None = None

    def __enter__(self) -> Self:
        """Start everything; what was started is ended again when a part fails."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self.stop()

    def stop(self, *, seconds: float = WORKER_STOP_SECONDS) -> tuple[str, ...]:
        cut = super().stop(seconds=seconds)
        self.deactivate()
        return cut

    def start_worker(self) -> None:
        """Start the worker where none runs, and wait for it."""
        self._await_worker(self._start_worker())

    def restart_server(self) -> None:
        """End the server and start it again on the same port and database; runs go on meanwhile."""
        self.stop_server()
        self.server = start_server(self.home, self.env)
        wait_for_server(self.server, self.port)

    def restart_worker(self) -> None:
        """End the worker, waiting for its runs, and start it again."""
        self.stop_worker()
        self.start_worker()

    def activate(self) -> None:
        """Make this process talk to this server, as those it starts do, until `deactivate`."""
        if self._activated is None:
            wanted = {name: value for name, value in self.env.items() if os.environ.get(name) != value}
            self._activated = {name: os.environ.get(name) for name in wanted}
            os.environ.update(wanted)
            refresh_prefect()

    def deactivate(self) -> None:
        """Give this process its own environment back."""
        before, self._activated = self._activated, None
        if before is None:
            return
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        refresh_prefect()

    def run_deployment(self, name: str, parameters: Mapping[str, object] | None = None) -> str:
        """Start a run of a deployment, `flow/name`; return its id."""
        return self.api.create_run(name, parameters or {})

    def wait_for_state(self, flow_run_id: str, *names: str, timeout_seconds: float = 120.0) -> dict[str, Any]:
        """Wait until a run is in one of some states; without names, in any terminal one."""
        return self.api.wait_for_state(flow_run_id, frozenset(names) or None, timeout_seconds)

    def answer(
        self,
        flow_run_id: str,
        *,
        approver: str,
        decision: str = "approve",
        code: str,
        reason: str = "",
        ticked: tuple[int, ...] = (),
        form: Mapping[str, object] | None = None,
    ) -> None:
        """Answer a run that waits for approval, as the form of the UI does.

        Args:
            ticked: The checklist's items that are ticked.
            form: What the form was filled in with when it was opened; None where it is opened now.
        """
        opened = self.api.form(flow_run_id) if form is None else form
        fields = {"approver": approver, "decision": decision, "code": code, "reason": reason}
        ticks = {f"item_{number}": True for number in ticked}
        self.api.resume(flow_run_id, {**opened, **fields, **ticks})
