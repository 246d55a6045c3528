"""The parts of a control plane: each is started by one function and awaited by another, with a bound."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from deployments.control_plane import processes
from deployments.control_plane.environment import HOST, POOL, POOL_TYPE, api_url, log_file, process_file
from deployments.control_plane.prefect_api import PrefectApi
from deployments.control_plane.processes import Running
from tasks.kernel.errors import TerminalError
from tasks.kernel.poll import poll

START_SECONDS = 600.0

_POLL_SECONDS = 0.25
_HEALTH_SECONDS = 5.0
_SETUP_STOP_SECONDS = 2.0
_LET_GO_SECONDS = 3.0

Progress = Callable[[str], None]


@contextmanager
def held_port(port: int) -> Iterator[list[socket.socket]]:
    """Hold a port of the loopback addresses: of both, for `localhost` leads to either.

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
    """Start Prefect's server, on a port that nobody else has. It is not awaited; `wait_for_server` does that."""
    port = int(env["PREFECT_SERVER_API_PORT"])
    # One that was killed lets go of its port when the last of its threads has ended.
    poll(lambda: port_is_free(port), seconds=_LET_GO_SECONDS, every=0.05)
    # What waits for it tells the login to whoever answers, so nobody else may before it listens itself.
    with held_port(port) as sockets:
        numbers = [one.fileno() for one in sockets]
        module = ("deployments.control_plane.launch", "server", *map(str, numbers))
        return _started("server", "Prefect's server", module, home, env, lent=numbers)


def wait_for_server(server: Running, port: int) -> None:
    """Wait until the server answers."""
    _wait_until(PrefectApi(api_url(port), tries=1).healthy, server, "answer")


def start_worker(home: Path, env: Mapping[str, str], limit: int) -> Running:
    """Start a worker of the pool that carries some runs at once. It is not awaited; `wait_for_worker` does that."""
    name = f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    options = ("--pool", POOL, "--type", POOL_TYPE, "--limit", str(limit), "--name", name)
    module = ("deployments.control_plane.launch", "worker", "start", *options)
    return _started("worker", "the worker", module, home, env)


def wait_for_worker(worker: Running, api: PrefectApi, known: frozenset[str]) -> None:
    """Wait until a worker reports to the server whose id was not known before."""
    _wait_until(lambda: bool(online_workers(api) - known), worker, "report to the server")


def online_workers(api: PrefectApi, pool: str = POOL) -> frozenset[str]:
    """Return the ids of a pool's workers that report to the server."""
    return frozenset(str(one["id"]) for one in api.workers(pool) or [] if one.get("status") == "ONLINE")


def start_receiver(home: Path, env: Mapping[str, str]) -> Running:
    """Start the receiver of GitHub's webhooks. It is not awaited; `wait_for_receiver` does that."""
    return _started("receiver", "the receiver of webhooks", ("deployments.webhook",), home, env)


def wait_for_receiver(receiver: Running, url: str, seconds: float) -> None:
    """Wait until the receiver is well."""

    def well() -> bool:
        try:
            return httpx.get(f"{url}/healthz", trust_env=False, timeout=_HEALTH_SECONDS).is_success
        except httpx.HTTPError:
            return False

    _wait_until(well, receiver, "answer", seconds)


@contextmanager
def provisioned(home: Path, env: Mapping[str, str]) -> Iterator[Running]:
    """Start what creates the work pool, registers the blocks and deploys; what is left of it in the end is ended."""
    log = log_file(home, "setup")
    log.unlink(missing_ok=True)
    argv = processes.python("-m", "deployments.control_plane.provision")
    setup = processes.start("the set-up", argv, env=env, cwd=home, log=log)
    try:
        yield setup
    finally:
        setup.stop(first=signal.SIGTERM, grace_seconds=_SETUP_STOP_SECONDS)


def wait_for_provisioning(setup: Running, progress: Progress) -> None:
    """Wait until everything is deployed, telling each part that is ready."""
    told: list[str] = []

    def deployed() -> bool:
        ready = _ready_lines(setup)
        for line in ready[len(told) :]:
            progress(line)
        told[:] = ready
        return "deployments" in ready

    _wait_until(deployed, setup, "finish")


def _ready_lines(setup: Running) -> list[str]:
    lines = Path(setup.log).read_text(errors="replace").splitlines()
    return [line.removeprefix("ready: ") for line in lines if line.startswith("ready: ")]


def _started(
    name: str, title: str, module: Sequence[str], home: Path, env: Mapping[str, str], lent: Sequence[int] = ()
) -> Running:
    argv = processes.python("-m", *module)
    part = processes.start(title, argv, env=env, cwd=home, log=log_file(home, name), lent=lent)
    part.save(process_file(home, name))
    return part


def _wait_until(
    done: Callable[[], bool], running: Running, what: str, seconds: float = START_SECONDS
) -> None:
    def look() -> str:
        alive = running.alive()
        if done():
            return "done"
        return "" if alive else "ended"

    found = poll(look, seconds=seconds, every=_POLL_SECONDS)
    if found != "done":
        why = f"ended before it could {what}" if found else f"did not {what} within {seconds:.0f} seconds"
        raise TerminalError(f"{running.name} {why}", f"see {running.log}", running.log_tail())
