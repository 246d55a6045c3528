"""A whole control plane on this machine: what `sluice up` starts and `sluice down` ends."""

from __future__ import annotations

import operator
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deployments.control_plane import processes
from deployments.control_plane.connect import active_profile
from deployments.control_plane.environment import (
    WEBHOOKS_BLOCK,
    WEBHOOKS_PATH,
    api_url,
    control_plane_environment,
    names_server,
    process_file,
    root_url,
    run_file,
    webhooks_url,
)
from deployments.control_plane.login import CLIENT, SERVER, ServerLogin, ensure_login, login_file
from deployments.control_plane.parts import (
    Progress,
    online_workers,
    provisioned,
    start_receiver,
    start_server,
    start_worker,
    wait_for_provisioning,
    wait_for_receiver,
    wait_for_server,
    wait_for_worker,
)
from deployments.control_plane.prefect_api import TERMINAL_STATES, PrefectApi
from deployments.control_plane.processes import Running
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.poll import poll

STOP_SECONDS = 15.0
TERM_SECONDS = 5.0
REPORT_SECONDS = 10.0
WORKER_STOP_SECONDS = 30.0
RECEIVER_SECONDS = 60.0

_POLL_SECONDS = 0.1


def _end_runs(home: Path, api: PrefectApi, seconds: float) -> tuple[str, ...]:
    """Wait for the worker's runs to end, then cut those that did not. Returns the ids of the cut ones."""
    left = poll(lambda: _processes_of_runs(home), operator.not_, seconds=seconds, every=_POLL_SECONDS)
    for child in left:
        child.send(signal.SIGTERM)
    for child in left:
        if not child.wait(TERM_SECONDS):
            child.send(signal.SIGKILL)
    for child in left:
        # The worker reports each within a second; a server that does not answer must not keep us here.
        with suppress(SluiceError):
            poll(
                lambda run=child.name: api.run(run)["state_type"] in TERMINAL_STATES,  # type: ignore[misc]
                seconds=REPORT_SECONDS,
                every=_POLL_SECONDS,
            )
    return tuple(child.name for child in left)


def _processes_of_runs(home: Path) -> list[Running]:
    """Return the processes of runs by the runs' ids; one that died with its worker is forgotten."""
    found = []
    for path in sorted(run_file(home, "any").parent.glob("*.json")):
        if (process := processes.load(path)) is None:
            path.unlink(missing_ok=True)
        else:
            found.append(process)
    return found


def _silent(_line: str) -> None:
    pass


class ControlPlane:
    """A Prefect server and a worker with Sluice's deployments, on the loopback address.

    Args:
        home: The folder of everything they keep: databases, logs, process files.
        limit: How many runs the worker carries out at once.
        inherited: The environment to build on; this process's own when None.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        limit: int = 4,
        *,
        inherited: Mapping[str, str] | None = None,
        progress: Progress = _silent,
    ) -> None:
        self.home = home.resolve()
        self.port = port
        self.limit = limit
        self.server, self.worker, self.receiver = (
            processes.load(process_file(self.home, name)) for name in ("server", "worker", "receiver")
        )
        inherited = os.environ if inherited is None else inherited
        self.login = self._find_login(inherited)
        self.env = control_plane_environment(self.home, self.port, inherited) | self.login.variables
        self.url = root_url(self.port)
        self.api = PrefectApi(api_url(self.port), login=self.login.text)
        self._progress = progress

    def _find_login(self, inherited: Mapping[str, str]) -> ServerLogin:
        running = self.server or self.worker or self.receiver
        if running is not None:
            return ServerLogin(running.variable(SERVER), str(login_file(self.home)))
        if not names_server(inherited, self.port):
            # The login beside another server's address is that server's.
            inherited = {name: value for name, value in inherited.items() if name != CLIENT}
        return ensure_login(self.home, inherited, active_profile().login_at(api_url(self.port)))

    def start(self) -> None:
        """Start what does not run yet, and wait until runs can be started."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.server is None or not self.server.alive():
            self.server = start_server(self.home, self.env)
        with provisioned(self.home, self.env) as setup:
            wait_for_server(self.server, self.port)
            self._progress(f"server at {self.url}")
            known = self._start_worker()
            wait_for_provisioning(setup, self._progress)
        self._await_worker(known)
        if not self.start_receiver():
            self._progress("no webhooks: save a block github-webhooks/default to let GitHub start promotions")

    def start_receiver(self) -> bool:
        """Start the receiver of GitHub's webhooks where none runs. Returns False where its block is missing."""
        if self.receiver is not None and self.receiver.alive():
            return True
        if self.api.block_document(*WEBHOOKS_BLOCK) is None:
            return False
        url = webhooks_url(self.env)
        self.receiver = start_receiver(self.home, self.env)
        try:
            wait_for_receiver(self.receiver, url, RECEIVER_SECONDS)
        except TerminalError as error:
            # Promotions started by hand do not need it.
            self.stop_receiver()
            self._progress(f"no webhooks: {' '.join([str(error), *error.detail.splitlines()[-1:]])}")
        else:
            self._progress(f"webhooks at {url}{WEBHOOKS_PATH}")
        return True

    def _start_worker(self) -> frozenset[str] | None:
        """Start the worker where none runs. Returns the workers that were there before; None where one runs."""
        if self.worker is not None and self.worker.alive():
            return None
        known = online_workers(self.api)
        self.worker = start_worker(self.home, self.env, self.limit)
        return known

    def _await_worker(self, known: frozenset[str] | None) -> None:
        if self.worker is not None and known is not None:
            wait_for_worker(self.worker, self.api, known)
            self._progress(f"worker, {self.limit} runs at once")

    def runs(self) -> tuple[str, ...]:
        """Return the ids of the flow runs the worker carries now."""
        return tuple(one.name for one in _processes_of_runs(self.home))

    def stop(self, *, seconds: float = WORKER_STOP_SECONDS) -> tuple[str, ...]:
        """End receiver, worker and server, and everything they started; return the flow runs that were cut.

        Args:
            seconds: How long runs may take to end by themselves.
        """
        self.stop_receiver()
        cut = self.stop_worker(seconds=seconds)
        self.stop_server()
        return cut

    def stop_receiver(self) -> None:
        """End the receiver; what it stored is dealt with when it runs again."""
        self._forget("receiver")
        if self.receiver is not None:
            self.receiver.stop(first=signal.SIGTERM, grace_seconds=STOP_SECONDS)
        self.receiver = None

    def stop_worker(self, *, seconds: float = WORKER_STOP_SECONDS) -> tuple[str, ...]:
        """End the worker, after the runs it carries where they end in time; return the flow runs that were cut.

        Prefect's worker does not wait for its runs, and what it cuts stays `Running` for the server. So the
        runs are waited for here, and cut while the worker still sees it and says `Crashed`.
        """
        cut: tuple[str, ...] = ()
        # First of all, so that it is not started again.
        self._forget("worker")
        if self.worker is not None:
            cut = _end_runs(self.home, self.api, seconds)
            self.worker.stop(first=signal.SIGINT, grace_seconds=STOP_SECONDS)
        self.worker = None
        return cut

    def stop_server(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.stop(first=signal.SIGTERM, grace_seconds=STOP_SECONDS)
        self._forget("server")
        self.server = None

    def _forget(self, name: str) -> None:
        process_file(self.home, name).unlink(missing_ok=True)
