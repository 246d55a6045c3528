"""The parts of a control plane: each is started by one function and awaited by another, with a bound."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from deployments.control_plane import processes
from deployments.control_plane.environment import HOST, POOL, POOL_TYPE, api_url, log_file, process_file
from deployments.control_plane.prefect_api import PrefectApi
from deployments.control_plane.processes import Running
from tasks.kernel.errors import TerminalError

START_SECONDS = 600.0
PREFECT_FILE = Path(__file__).resolve().parents[2] / "prefect.yaml"

_POLL_SECONDS = 0.25
_HEALTH_SECONDS = 5.0

Progress = Callable[[str], None]


def silent(_line: str) -> None:
    """Tell nobody."""


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def held_port(port: int) -> Iterator[list[socket.socket]]:
    """Hold a port of the loopback addresses: of both, for `localhost` leads to either.

    Yields:
        The sockets, which listen.

    Raises:
        TerminalError: Another program has it.
    """
    with ExitStack() as held:
        sockets = []
        for family, address in ((socket.AF_INET, HOST), (socket.AF_INET6, "::1")):
            try:
                sockets.append(held.enter_context(socket.create_server((address, port), family=family)))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise TerminalError(
                        f"port {port} is taken by another program", "choose another with --port"
                    ) from None
                if address == HOST:
                    raise
                # There is no IPv6 here, so nobody answers there.
        yield sockets


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on a port of the loopback addresses."""
    try:
        with held_port(port):
            return True
    except (TerminalError, OSError):
        return False


def start_server(home: Path, env: Mapping[str, str]) -> Running:
    """Start Prefect's server. It is not awaited; `wait_for_server` does that.

    Args:
        home: Sluice's home folder; the log goes to `logs/server.log` in it.
        env: The environment of `control_plane_environment`.

    Raises:
        TerminalError: Another program has its port.
    """
    log = log_file(home, "server")
    # What waits for it tells the login to whoever answers, so nobody else may before it listens itself.
    with held_port(int(env["PREFECT_SERVER_API_PORT"])) as sockets:
        numbers = [one.fileno() for one in sockets]
        argv = processes.python("-m", "deployments.control_plane.launch", "server", *map(str, numbers))
        server = processes.start("Prefect's server", argv, env=env, cwd=home, log=log, lent=numbers)
    server.save(process_file(home, "server"))
    return server


def wait_for_server(server: Running, port: int, seconds: float = START_SECONDS) -> None:
    """Wait until the server answers.

    Raises:
        TerminalError: It ended, or did not answer in time.
    """
    api = PrefectApi(api_url(port), tries=1)
    _wait_until(api.healthy, server, seconds, "answer")


def start_worker(home: Path, env: Mapping[str, str], limit: int) -> Running:
    """Start a worker of the pool. It is not awaited; `wait_for_worker` does that.

    Args:
        home: Sluice's home folder; the log goes to `logs/worker.log` in it.
        env: The environment of `control_plane_environment`.
        limit: How many runs it carries at once.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    options = ("--pool", POOL, "--type", POOL_TYPE, "--limit", str(limit), "--name", name)
    argv = processes.python("-m", "deployments.control_plane.launch", "worker", "start", *options)
    worker = processes.start("the worker", argv, env=env, cwd=home, log=log_file(home, "worker"))
    worker.save(process_file(home, "worker"))
    return worker


def wait_for_worker(
    worker: Running, api: PrefectApi, known: frozenset[str], seconds: float = START_SECONDS
) -> None:
    """Wait until the worker has reported to the server.

    Args:
        known: The ids of workers that were there before.

    Raises:
        TerminalError: It ended, or did not report in time.
    """
    _wait_until(lambda: bool(online_workers(api) - known), worker, seconds, "report to the server")


def online_workers(api: PrefectApi, pool: str = POOL) -> frozenset[str]:
    """Return the ids of a pool's workers that report to the server."""
    return frozenset(str(one["id"]) for one in api.workers(pool) or [] if one.get("status") == "ONLINE")


def start_receiver(home: Path, env: Mapping[str, str]) -> Running:
    """Start the receiver of GitHub's webhooks. It is not awaited; `wait_for_receiver` does that.

    Args:
        home: Sluice's home folder; the log goes to `logs/receiver.log` in it.
        env: The environment of `control_plane_environment`.
    """
    argv = processes.python("-m", "deployments.webhook")
    log = log_file(home, "receiver")
    receiver = processes.start("the receiver of webhooks", argv, env=env, cwd=home, log=log)
    receiver.save(process_file(home, "receiver"))
    return receiver


def wait_for_receiver(receiver: Running, url: str, seconds: float = START_SECONDS) -> None:
    """Wait until the receiver is well.

    Raises:
        TerminalError: It ended, or was not well in time.
    """

    def well() -> bool:
        try:
            return httpx.get(f"{url}/healthz", trust_env=False, timeout=_HEALTH_SECONDS).is_success
        except httpx.HTTPError:
            return False

    _wait_until(well, receiver, seconds, "answer")


def start_provisioning(home: Path, env: Mapping[str, str], prefect_file: Path = PREFECT_FILE) -> Running:
    """Start what creates the work pool, registers the blocks and deploys; it waits for the server by itself.

    Args:
        home: Sluice's home folder; the log goes to `logs/setup.log` in it.
        env: The environment of `control_plane_environment`.
        prefect_file: The `prefect.yaml` to deploy.

    Returns:
        The process; `wait_for_provisioning` waits for its end.
    """
    log = log_file(home, "setup")
    log.unlink(missing_ok=True)
    argv = processes.python("-m", "deployments.control_plane.provision", "--prefect-file", str(prefect_file))
    return processes.start("the set-up", argv, env=env, cwd=home, log=log)


def wait_for_provisioning(setup: Running, progress: Progress, seconds: float = START_SECONDS) -> None:
    """Wait until everything is deployed, telling each part that is ready.

    Args:
        progress: Is given one line for each part.

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
                f"setting up the server took more than {seconds:.0f} seconds",
                f"see {setup.log}",
                setup.log_tail(),
            )
        time.sleep(_POLL_SECONDS)


def _ready_lines(setup: Running) -> list[str]:
    lines = Path(setup.log).read_text(errors="replace").splitlines()
    return [line.removeprefix("ready: ") for line in lines if line.startswith("ready: ")]


def _wait_until(done: Callable[[], bool], running: Running, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if not running.alive():
            raise TerminalError(
                f"{running.name} ended at its start", f"see {running.log}", running.log_tail()
            )
        if time.monotonic() >= deadline:
            raise TerminalError(
                f"{running.name} did not {what} within {seconds:.0f} seconds",
                f"see {running.log}",
                running.log_tail(),
            )
        time.sleep(_POLL_SECONDS)
