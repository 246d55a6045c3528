"""Server, worker and deployments on this machine: the parts `sluice up`, the demo and the tests are made of."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deployments import processes
from deployments.environment import HOST, POOL, api_url, control_plane_environment, root_url
from deployments.prefect_api import PrefectApi
from deployments.processes import Running
from tasks.errors import TerminalError

START_SECONDS = 120.0
STOP_SECONDS = 15.0
WORKER_STOP_SECONDS = 30.0
PREFECT_FILE = Path(__file__).resolve().parent.parent / "prefect.yaml"

_POLL_SECONDS = 0.1

Progress = Callable[[str], None]


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def start_server(port: int, home: Path, env: Mapping[str, str]) -> Running:
    """Start Prefect's server. It is not awaited; `wait_for_server` does that.

    Args:
        port: Its port on the loopback address.
        home: Sluice's home folder; the log goes to `logs/server.log` in it.
        env: The environment of `control_plane_environment`.

    Returns:
        The process.
    """
    argv = processes.python("-m", "deployments.launch", "server", "start", "--host", HOST, "--port", str(port))
    log = home / "logs" / "server.log"
    server = processes.start("Prefect's server", argv, env=env, cwd=home, log=log)
    server.save(home / "run" / "server.json")
    return server


def wait_for_server(server: Running, port: int, seconds: float = START_SECONDS) -> None:
    """Wait until the server answers.

    Args:
        server: Its process.
        port: Its port.
        seconds: How long to wait.

    Raises:
        TerminalError: It ended, or did not answer in time.
    """
    api = PrefectApi(api_url(port), tries=1)
    _wait_until(api.healthy, server, seconds, "answer")


def start_worker(home: Path, env: Mapping[str, str], limit: int) -> Running:
    """Start a process worker of the pool. It is not awaited; `wait_for_worker` does that.

    Args:
        home: Sluice's home folder; the log goes to `logs/worker.log` in it.
        env: The environment of `control_plane_environment`.
        limit: How many runs it carries at once.

    Returns:
        The process.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    options = ("--pool", POOL, "--type", "process", "--limit", str(limit), "--name", name)
    argv = processes.python("-m", "deployments.launch", "worker", "start", *options)
    worker = processes.start("the worker", argv, env=env, cwd=home, log=home / "logs" / "worker.log")
    worker.save(home / "run" / "worker.json")
    return worker


def wait_for_worker(worker: Running, port: int, known: frozenset[str], seconds: float = START_SECONDS) -> None:
    """Wait until the worker has reported to the server.

    Args:
        worker: Its process.
        port: The server's port.
        known: The ids of workers that were there before.
        seconds: How long to wait.

    Raises:
        TerminalError: It ended, or did not report in time.
    """
    api = PrefectApi(api_url(port))
    _wait_until(lambda: bool(online_workers(api) - known), worker, seconds, "report to the server")


def online_workers(api: PrefectApi) -> frozenset[str]:
    """Return the ids of the pool's workers that report to the server."""
    return frozenset(str(one["id"]) for one in api.workers(POOL) or [] if one.get("status") == "ONLINE")


def start_provisioning(home: Path, env: Mapping[str, str], prefect_file: Path = PREFECT_FILE) -> Running:
    """Start what creates the work pool, registers the blocks and deploys; it waits for the server by itself.

    Args:
        home: Sluice's home folder; the log goes to `logs/setup.log` in it.
        env: The environment of `control_plane_environment`.
        prefect_file: The `prefect.yaml` to deploy.

    Returns:
        The process; `wait_for_provisioning` waits for its end.
    """
    log = home / "logs" / "setup.log"
    log.unlink(missing_ok=True)
    argv = processes.python("-m", "deployments.provision", "--prefect-file", str(prefect_file))
    return processes.start("the set-up", argv, env=env, cwd=home, log=log)


def wait_for_provisioning(setup: Running, progress: Progress, seconds: float = START_SECONDS) -> None:
    """Wait until everything is deployed, telling each part that is ready.

    Args:
        setup: Its process.
        progress: Is given one line for each part.
        seconds: How long to wait.

    Raises:
        TerminalError: A part failed, or the time is up.
    """
    deadline = time.monotonic() + seconds
    told = 0
    while True:
        running = setup.alive()
        ready = _ready_lines(setup)
        for line in ready[told:]:
            progress(line)
        told = len(ready)
        if "deployments" in ready:
            return
        if not running:
            raise TerminalError("the server could not be set up", f"see {setup.log}", setup.log_tail())
        if time.monotonic() >= deadline:
            setup.stop(first=signal.SIGTERM, grace_seconds=2)
            raise TerminalError(
                f"setting up the server took more than {seconds:.0f} seconds", f"see {setup.log}", setup.log_tail()
            )
        time.sleep(_POLL_SECONDS)


def _ready_lines(setup: Running) -> list[str]:
    lines = Path(setup.log).read_text(errors="replace").splitlines()
    return [line.removeprefix("ready: ") for line in lines if line.startswith("ready: ")]


def _wait_until(done: Callable[[], bool], running: Running, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if not running.alive():
            raise TerminalError(f"{running.name} ended at its start", f"see {running.log}", running.log_tail())
        if time.monotonic() >= deadline:
            raise TerminalError(
                f"{running.name} did not {what} within {seconds:.0f} seconds",
                f"see {running.log}",
                running.log_tail(),
            )
        time.sleep(_POLL_SECONDS)


def _silent(_line: str) -> None:
    """Tell nobody."""


class ControlPlane:
    """A Prefect server and a worker with Sluice's deployments, on the loopback address.

    Args:
        home: The folder of everything they keep: databases, logs, process files.
        port: The server's port, None for a free one.
        limit: How many runs the worker carries at once.
        prefect_file: The `prefect.yaml` to deploy.
        inherited: The environment to build on; this process's own when None.
        progress: Is given one line for each part that is ready.
    """

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        limit: int = 4,
        *,
        prefect_file: Path = PREFECT_FILE,
        inherited: Mapping[str, str] | None = None,
        progress: Progress = _silent,
    ) -> None:
        self.home = home.resolve()
        self.port = port if port is not None else free_port()
        self.limit = limit
        self.env = control_plane_environment(
            self.home, self.port, os.environ if inherited is None else inherited
        )
        self.url = root_url(self.port)
        self.api = PrefectApi(api_url(self.port))
        self.server = processes.load(self.home / "run" / "server.json")
        self.worker = processes.load(self.home / "run" / "worker.json")
        self._prefect_file = prefect_file
        self._progress = progress
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

    def start(self) -> None:
        """Start what does not run yet, and wait until runs can be started.

        Raises:
            TerminalError: A part did not start; the message names its log.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.server is None or not self.server.alive():
            self.server = start_server(self.port, self.home, self.env)
        setup = start_provisioning(self.home, self.env, self._prefect_file)
        try:
            wait_for_server(self.server, self.port)
            self._progress(f"server at {self.url}")
            self.start_worker(wait=False)
            wait_for_provisioning(setup, self._progress)
        finally:
            setup.stop(first=signal.SIGTERM, grace_seconds=2)
        self._await_worker()

    def start_worker(self, *, wait: bool = True) -> None:
        """Start the worker where none runs."""
        if self.worker is not None and self.worker.alive():
            return
        self._known = online_workers(self.api)
        self.worker = start_worker(self.home, self.env, self.limit)
        if wait:
            self._await_worker()

    def _await_worker(self) -> None:
        known: frozenset[str] | None = getattr(self, "_known", None)
        if self.worker is None or known is None:
            return
        wait_for_worker(self.worker, self.port, known)
        self._progress(f"worker, {self.limit} runs at once")

    def stop(self, *, worker_seconds: float = WORKER_STOP_SECONDS) -> None:
        """End worker and server, and everything they started, and see that they are gone.

        Args:
            worker_seconds: How long the worker may wait for its runs to end.
        """
        self.stop_worker(seconds=worker_seconds)
        self.stop_server()
        self.deactivate()

    def stop_worker(self, *, seconds: float = WORKER_STOP_SECONDS) -> bool:
        """End the worker. Returns False when it had to be killed, with the runs it carried."""
        return self._stop("worker", self.worker, signal.SIGINT, seconds)

    def stop_server(self) -> bool:
        """End the server. Returns False when it had to be killed."""
        return self._stop("server", self.server, signal.SIGTERM, STOP_SECONDS)

    def _stop(self, name: str, running: Running | None, first: signal.Signals, seconds: float) -> bool:
        gently = running.stop(first=first, grace_seconds=seconds) if running is not None else True
        (self.home / "run" / f"{name}.json").unlink(missing_ok=True)
        setattr(self, name, None)
        return gently

    def restart_server(self) -> None:
        """End the server and start it again on the same port and database; runs go on meanwhile."""
        self.stop_server()
        self.server = start_server(self.port, self.home, self.env)
        wait_for_server(self.server, self.port)

    def restart_worker(self) -> None:
        """End the worker, waiting for its runs, and start it again."""
        self.stop_worker()
        self.start_worker()

    def activate(self) -> None:
        """Make this process talk to this server, as the children do, until `deactivate`."""
        if self._activated is None:
            wanted = {name: value for name, value in self.env.items() if os.environ.get(name) != value}
            self._activated = {name: os.environ.get(name) for name in wanted}
            os.environ.update(wanted)
            _refresh_prefect()

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
        _refresh_prefect()

    def run_deployment(self, name: str, parameters: Mapping[str, object] | None = None) -> str:
        """Start a run of a deployment.

        Args:
            name: `flow/name`.
            parameters: The flow's parameters.

        Returns:
            The flow run's id.
        """
        return self.api.create_run(name, parameters or {})

    def wait_for_state(
        self, flow_run_id: str, *names: str, timeout_seconds: float = 120.0
    ) -> dict[str, Any]:
        """Wait until a run is in one of some states.

        Args:
            flow_run_id: The run.
            names: State names or types; none for any terminal state.
            timeout_seconds: How long to wait.

        Returns:
            The run, as the API describes it.

        Raises:
            TerminalError: The time is up, or the run ended in another state.
        """
        return self.api.wait_for_state(flow_run_id, frozenset(names) or None, timeout_seconds)

    def answer(
        self, flow_run_id: str, *, approver: str, decision: str = "approve", code: str, reason: str = ""
    ) -> None:
        """Answer a run that waits for approval, as the form of the UI does."""
        fields = {"approver": approver, "decision": decision, "code": code, "reason": reason}
        self.api.resume(flow_run_id, fields)


def _refresh_prefect() -> None:
    """Let Prefect read the environment again, where this process has imported it."""
    if "prefect.context" in sys.modules and threading.current_thread() is threading.main_thread():
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
