"""`sluice up` and `sluice down`: the control plane on this machine."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deployments.cli.options import read_settings
from deployments.cli.output import counted, say, warn
from deployments.control_plane import processes
from deployments.control_plane.environment import (
    DEFAULT_PORT,
    api_url,
    log_file,
    process_file,
    root_url,
    same_server,
)
from deployments.control_plane.login import CLIENT, login_file, open_to_others
from tasks.kernel.errors import TerminalError

if TYPE_CHECKING:
    from deployments.control_plane.bootstrap import ControlPlane

_POLL_SECONDS = 0.5
_AGAIN_SECONDS = 2.0
_PROFILE_SECONDS = 60


def up(
    *,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="The server's port on the loopback address.")
    ] = DEFAULT_PORT,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=64, help="How many runs the worker carries out at once.")
    ] = 4,
    detach: Annotated[
        bool, typer.Option("--detach", help="Continue in the background; see `sluice down`.")
    ] = False,
    once_ready: Annotated[
        bool, typer.Option("--once-ready", help="End everything again as soon as it is ready: a check.")
    ] = False,
    profile: Annotated[
        bool,
        typer.Option(
            help="Write address and login into your Prefect profile, unless that is for another server."
        ),
    ] = True,
) -> None:
    """Start Prefect's server, a worker and the receiver of webhooks here, deploy the flows; until Ctrl-C."""
    from deployments.control_plane.bootstrap import ControlPlane

    home = read_settings().home.resolve()
    with _alone(home):
        server, worker = (processes.load(process_file(home, name)) for name in ("server", "worker"))
        if (known := server or worker) is not None:
            port = int(known.variable("PREFECT_SERVER_API_PORT") or port)
        if server is None:
            _check_port(port)
        plane = ControlPlane(home, port, limit, progress=lambda line: say(f"  {line}"))
        _check_login(plane)
        if server is not None and worker is not None:
            # The block may have been saved since.
            plane.start_receiver()
            say(f"already running: {root_url(port)} — `sluice down` ends it")
            return
        _start(plane, undo=server is None and worker is None)
    try:
        if profile:
            _remember(plane)
        _show(plane)
        if once_ready:
            plane.stop()
            say("everything was ended again")
        elif not detach:
            _stay(plane)
    except KeyboardInterrupt:
        _end(plane, 30.0)


def _start(plane: ControlPlane, *, undo: bool) -> None:
    """Start what is missing; where nothing ran before, nothing runs after a failure."""
    say(f"starting in {plane.home}")
    began = time.monotonic()
    _stop_signals()
    try:
        plane.start()
    except BaseException:
        if undo:
            plane.stop(seconds=0)
        raise
    say(f"ready after {time.monotonic() - began:.0f} s")


def _show(plane: ControlPlane) -> None:
    say(f"  Prefect's UI  {plane.url}")
    say(f"  its API       {api_url(plane.port)}")
    say(f"  its login     {plane.login.place} (paste the whole line at {plane.url}/login)")
    say(f"  logs          {log_file(plane.home, 'server').parent}")


def _check_login(plane: ControlPlane) -> None:
    if not plane.login.text:
        lacks = (
            "what still runs knows"
            if plane.server is None
            else f"the server that runs at {plane.url} asks for"
        )
        raise TerminalError(
            f"{lacks} no login: an earlier version started it",
            "`sluice down`, then `sluice up`: waiting runs continue afterwards",
        )
    if open_to_others(login_file(plane.home)):
        path = login_file(plane.home)
        warn(
            f"note: others on this machine can read {path}, the login of Prefect's API — `sluice down`, "
            f"`rm {path}`, `prefect config unset {CLIENT}`, `sluice up`: that makes a new one"
        )


def _check_port(port: int) -> None:
    from deployments.control_plane.parts import port_is_free
    from deployments.control_plane.prefect_api import PrefectApi

    if port_is_free(port):
        return
    # Nobody knows whose it is, so it is told no login.
    if PrefectApi(api_url(port), tries=1, login="").healthy():
        raise TerminalError(
            f"another Prefect server answers at {root_url(port)}",
            "use it with `prefect deploy --all` and a worker of your own, or choose another --port",
        )
    raise TerminalError(f"port {port} is taken by another program", "choose another with --port")


def _remember(plane: ControlPlane) -> None:
    """Write address and login into the user's Prefect profile, so that `prefect deployment run` works as typed."""
    url = api_url(plane.port)
    argv = processes.python("-m", "deployments.control_plane.profile")
    told = json.dumps({"url": url, "login": plane.login.text})
    done = subprocess.run(
        argv,
        input=told,
        text=True,
        capture_output=True,
        timeout=_PROFILE_SECONDS,
        check=False,
        cwd=plane.home,
    )
    if done.returncode == 0:
        say(f"  {done.stdout.strip()}")
    else:
        why = done.stderr.strip().rpartition("\n")[2]
        warn(
            f"note: your Prefect profile could not be written ({why}); export PREFECT_API_URL={url}, "
            f"and {CLIENT} as in {plane.login.place}"
        )
    if (given := os.environ.get("PREFECT_API_URL")) and not same_server(given, url):
        warn(f"note: PREFECT_API_URL in your environment is {given}: `prefect` and `sluice` use that server")


def _stay(plane: ControlPlane) -> None:
    say("Ctrl-C ends it")
    while True:
        for name, running in (("server", plane.server), ("worker", plane.worker)):
            if running is None or not running.alive():
                _ended(plane, name)
        _keep_receiver(plane)
        time.sleep(_POLL_SECONDS)


def _keep_receiver(plane: ControlPlane) -> None:
    """Start the receiver again when it died: while it is away, GitHub's deliveries are lost to it."""
    if plane.receiver is None or plane.receiver.alive():
        return
    if process_file(plane.home, "receiver").exists():
        warn(f"note: the receiver of webhooks ended unexpectedly; see {log_file(plane.home, 'receiver')}")
        time.sleep(_AGAIN_SECONDS)
        plane.start_receiver()


def _ended(plane: ControlPlane, name: str) -> None:
    """Say why a part is gone: ended by `sluice down`, or by itself."""
    if not process_file(plane.home, name).exists():
        say("ended by `sluice down`")
        raise typer.Exit(0)
    tail = processes.tail(log_file(plane.home, name))
    plane.stop(seconds=0)
    raise TerminalError(f"the {name} ended unexpectedly", f"see {log_file(plane.home, name)}", tail)


def _end(plane: ControlPlane, seconds: float) -> None:
    runs = plane.runs()
    if runs and seconds > 0:
        say(f"waiting {seconds:.0f} s for {counted(len(runs), 'run')}; Ctrl-C again ends them at once")
    try:
        cut = plane.stop(seconds=seconds)
    except KeyboardInterrupt:
        cut = plane.stop(seconds=0)
    for run in cut:
        say(f"run {run} was interrupted; `prefect flow-run retry {run}` continues it at the same step")
    say("worker and server have ended")


def down(
    *,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long runs may take to end.")
    ] = 30.0,
) -> None:
    """End the worker and the server that `sluice up` started here."""
    from deployments.control_plane.bootstrap import ControlPlane

    home = read_settings().home.resolve()
    parts = (processes.load(process_file(home, name)) for name in ("server", "worker", "receiver"))
    known = next((part for part in parts if part is not None), None)
    if known is None:
        say(f"nothing runs in {home}")
        return
    port = known.variable("PREFECT_SERVER_API_PORT")
    _end(ControlPlane(home, int(port or DEFAULT_PORT)), wait)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    path = home / "run" / "up.lock"
    # Databases and logs below are nobody else's business.
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TerminalError(
                f"another `sluice up` is starting in {home}", "wait until it is ready"
            ) from None
        yield


def _stop_signals() -> None:
    """Make SIGTERM, and a SIGINT that a shell made us ignore, end this as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
