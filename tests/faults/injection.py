"""How each fault is injected: before the run, while it runs, and how its cause is mended after."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.host.scripts import raise_fence
from tests.faults.checks import FOLDER
from tests.faults.setting import ENVIRONMENT, PIPELINE
from tests.faults.trial import Acts, Play
from tests.lab.server import Server
from tests.lab.shell import LabError, run, wait_until

AWAY_SECONDS = 10
ENGINE_SECONDS = 2
MOMENT_SECONDS = 180
DAY_SECONDS = 86_400

Strike = Callable[[Play], None]
Moment = Callable[[Play], None]


def nothing(play: Play) -> Acts:
    """Do nothing: what the other lines are compared with."""
    yield
    play.strike()
    yield


def kill_in(step: str) -> Callable[[Play], Acts]:
    """SIGKILL the run's process in the middle of a step."""

    def acts(play: Play) -> Acts:
        play.setting.orders.give(step, "kill")
        yield
        play.strike(play.setting.orders.await_obeyed(1))
        yield

    return acts


def clock_jumps(step: str, seconds: float) -> Callable[[Play], Acts]:
    """Have the run's process read a wrong clock from a step on, long enough for a renewal of its lease."""

    def acts(play: Play) -> Acts:
        orders = play.setting.orders
        orders.give(step, "clock", str(seconds))
        orders.give(step, "hold")
        yield
        play.strike(orders.await_obeyed(2))
        # The lease is renewed each 20 s.
        time.sleep(25)
        orders.release()
        yield

    return acts


def while_held(step: str, strike: Strike, mend: Strike | None = None) -> Callable[[Play], Acts]:
    """Hold a step between its journal row and its change, strike, and let it go on; mend when the run has ended."""

    def acts(play: Play) -> Acts:
        orders = play.setting.orders
        orders.give(step, "hold")
        yield
        orders.await_obeyed(1)
        play.strike()
        try:
            strike(play)
        finally:
            orders.release()
        yield
        if mend is not None:
            mend(play)

    return acts


def amid(moment: Moment, strike: Strike, mend: Strike | None = None) -> Callable[[Play], Acts]:
    """Strike while the step's own command is at work on the server; mend when the run has ended."""

    def acts(play: Play) -> Acts:
        yield
        moment(play)
        play.strike()
        strike(play)
        yield
        if mend is not None:
            mend(play)

    return acts


def in_mid_dump(strike: Strike, mend: Strike | None = None) -> Callable[[Play], Acts]:
    """Strike while the dump is half written: it is stopped there for that moment."""

    def acts(play: Play) -> Acts:
        yield
        await_on_server(play.setting.server, _STOP_DUMP, FOLDER)
        play.strike()
        try:
            strike(play)
        finally:
            play.setting.server.run(("pkill", "-CONT", "-x", "pg_dump"), check=False)
        yield
        if mend is not None:
            mend(play)

    return acts


def in_mid_migration(strike: Strike, mend: Strike | None = None) -> Callable[[Play], Acts]:
    """Strike while the migration's transaction is half done: it waits for a table that a session has locked."""

    def acts(play: Play) -> Acts:
        yield
        play.await_step("migrate")
        with table_locked(play.setting.server) as waited_for:
            wait_until(waited_for, "the migration at the locked table", seconds=MOMENT_SECONDS)
            play.strike()
            strike(play)
        yield
        if mend is not None:
            mend(play)

    return acts


_STOP_DUMP = """
until [ -n "$(find "$1/backups" -name '*.part' -size +0 2>/dev/null)" ] && pkill -STOP -x pg_dump; do
  sleep 0.01
done
"""
_AWAIT_UP = """
until pgrep -f '[u]p --detach --no-build' >/dev/null; do sleep 0.02; done
# Compose has begun to replace containers.
before=$(docker ps --no-trunc --quiet | sort)
until [ "$(docker ps --no-trunc --quiet | sort)" != "$before" ]; do sleep 0.05; done
"""


def up_is_replacing(play: Play) -> None:
    """Wait until compose on the server has replaced its first container."""
    play.await_step("up")
    await_on_server(play.setting.server, _AWAIT_UP)


def await_on_server(server: Server, script: str, *arguments: str) -> None:
    """Run a constant script on the server that ends when the moment is there."""
    argv = ("timeout", str(MOMENT_SECONDS), "bash", "-c", script, "moment", *arguments)
    if server.run(argv, check=False).returncode != 0:
        raise LabError("the moment to strike never came")


_LOCK = "begin; lock table ballast in access exclusive mode; select pg_sleep(600)"
_WAITING = "select count(*) from pg_locks where relation = 'ballast'::regclass and not granted"
_UNLOCK = "select pg_terminate_backend(pid) from pg_stat_activity where query like '%lock table ballast%'"
_PSQL = ("docker", "exec", "shop-db-1", "psql", "-U", "shop", "-tAq", "-c")


@contextmanager
def table_locked(server: Server) -> Iterator[Callable[[], bool]]:
    """Lock a table as a session does that somebody left open; yield what says whether anybody waits for it."""
    with subprocess.Popen(
        ("docker", "exec", server.container, *_PSQL, _LOCK),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as session:
        try:
            yield lambda: server.run((*_PSQL, _WAITING), check=False).stdout.strip() not in {"", "0"}
        finally:
            server.run((*_PSQL, f"{_UNLOCK} and pid <> pg_backend_pid()"), check=False)
            session.kill()


# --- what is done


def cut_session(play: Play) -> None:
    """Kill the SSH sessions on the server: every connection breaks at once."""
    play.setting.server.run(("pkill", "-KILL", "-f", "sshd: deploy|sshd-session: deploy"), check=False)


def cut_network(play: Play) -> None:
    """Take the server off the network for some seconds: open connections hang."""
    play.setting.server.cut_network()
    time.sleep(AWAY_SECONDS)
    play.setting.server.restore_network()


def kill_engine(play: Play) -> None:
    """Kill the engine; as the service manager of a server would, start it again some seconds later."""
    server = play.setting.server
    server.kill_engine()

    def again() -> None:
        time.sleep(ENGINE_SECONDS)
        server.start_engine()

    threading.Thread(target=again, daemon=True).start()


def reboot(play: Play) -> None:
    """Switch the server off and on."""
    play.setting.server.reboot()


def start_containers(play: Play) -> None:
    """Start what is not running: an engine that was killed leaves stopped what it finds when it comes back."""
    server = play.setting.server
    server.start_engine()
    server.run(("sh", "-c", "docker ps --all --quiet | xargs -r docker start"), check=False)


def fill_disk(play: Play) -> None:
    """Take all space of the server's disk."""
    play.setting.server.fill_disk()


def free_disk(play: Play) -> None:
    """Give the space back."""
    play.setting.server.free_disk()


def stop_registry(play: Play) -> None:
    """Kill the registry."""
    play.setting.scene.lab.registry.stop()


def start_registry(play: Play) -> None:
    """Start it again."""
    play.setting.scene.lab.registry.start()


def stop_ledger(play: Play) -> None:
    """Kill the ledger's database server."""
    play.setting.ledger_server.stop()


def start_ledger(play: Play) -> None:
    """Start it again."""
    play.setting.ledger_server.start()


def ledger_away(play: Play) -> None:
    """Kill the ledger's database server and start it again some seconds later."""
    stop_ledger(play)
    threading.Timer(AWAY_SECONDS, play.setting.ledger_server.start).start()


def restart_prefect(play: Play) -> None:
    """End Prefect's server and start it again."""
    play.setting.stage.plane.restart_server()


def kill_prefect(play: Play) -> None:
    """Kill Prefect's server and start it again."""
    plane = play.setting.stage.plane
    if plane.server is not None:
        run(("kill", "-KILL", str(plane.server.pid)))
    plane.restart_server()


def steal_lease(play: Play) -> None:
    """Raise another token on the host, as a run does that took the lease over."""
    lease = play.setting.ledger.leases.get(PIPELINE, ENVIRONMENT)
    if lease is None:
        raise LabError("there is no lease to steal")
    argv = raise_fence(FOLDER, lease.token + 1, 120)
    play.setting.server.run(("setpriv", "--reuid=deploy", "--regid=deploy", "--clear-groups", *argv))


def start_rival(play: Play) -> None:
    """Start the same promotion a second time."""
    play.rival = play.start()
