"""The Docker engine the lab runs on: one that already answers, or one it starts itself."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.kernel import read_mtu, remove_bridges, remove_rules, runs
from tests.lab.locks import locked
from tests.lab.shell import LabError, run, wait_until

SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 90
STOP_SECONDS = 40
ANSWER_SECONDS = 60

logger = logging.getLogger(__name__)


def engine_answers() -> bool:
    """Whether a Docker engine answers on the machine's usual socket; one that hangs does not."""
    if not SOCKET.exists():
        return False
    argv = ("docker", "--host", f"unix://{SOCKET}", "version")
    try:
        return run(argv, check=False, timeout_seconds=ANSWER_SECONDS).returncode == 0
    except LabError as error:
        logger.warning("%s", error)
        return False


def ensure_engine(directory: Path) -> None:
    """Makes sure that an engine answers; safe to run again.

    Args:
        directory: Where an engine of the lab's own keeps its data.

    Raises:
        LabError: None answers and none can be started.
    """
    if engine_answers():
        return
    require_root()
    with locked(directory):
        if not engine_answers():
            own = OwnEngine(directory)
            # It may run and hang, or be half dead after a crash.
            own.stop()
            own.start()


def require_root() -> None:
    """Refuses to go on without the right to start an engine.

    Raises:
        LabError: This is not root.
    """
    if os.geteuid() != 0:
        raise LabError("no Docker engine answers; start yours, or run script/setup and the lab as root")


@dataclass(frozen=True)
class OwnEngine:
    """An engine that the lab starts and stops.

    It lives in process and mount namespaces of its own: when it ends, however it ends, the kernel ends all of its
    containers and mounts with it.

    Attributes:
        directory: Its data, its log and its pid file.
    """

    directory: Path

    @property
    def log(self) -> Path:
        """What the engine prints."""
        return self.directory / "dockerd.log"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "namespace.pid"

    def read_pid(self) -> int | None:
        """The process that holds the engine's namespaces; None when it does not run.

        A pid file alone proves nothing: after a reboot the number belongs to another program, and a zombie has a
        number too, but no `exe`.
        """
        with suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            if Path(f"/proc/{pid}/exe").readlink().name == "unshare":
                return pid
        return None

    def start(self) -> None:
        """Starts the engine and waits until it answers.

        Raises:
            LabError: There is no engine to start, or it does not answer.
        """
        path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
        program = shutil.which("dockerd", path=path)
        if program is None:
            raise LabError("no Docker engine answers and dockerd is not installed; script/setup installs it")
        logger.info("starting a Docker engine; its data are in %s", self.directory)
        # What an earlier engine noted about its processes is wrong in a new process namespace.
        shutil.rmtree(self._exec_root, ignore_errors=True)
        configuration = self.directory / "daemon.json"
        configuration.write_text(json.dumps(self._configuration(), indent=2))
        argv = (
            *(
                "unshare",
                "--mount",
                "--propagation",
                "slave",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ),
            *("tini", "--", program, "--config-file", str(configuration)),
        )
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": path},
                start_new_session=True,
            )  # fmt: skip
        self._pid_file.write_text(str(process.pid))

        def answers() -> bool:
            if process.poll() is not None:
                raise LabError(f"dockerd ended with status {process.returncode}; see {self.log}")
            return engine_answers()

        wait_until(answers, "the Docker engine's first answer", seconds=START_SECONDS, log=self.log)

    @property
    def _exec_root(self) -> Path:
        return self.directory / "exec"

    def _configuration(self) -> dict[str, object]:
        # A bridge with larger packets than the way out drops them without a word: downloads in builds hang.
        mtu = read_mtu()
        return {
            "data-root": str(self.directory / "data"),
            "exec-root": str(self._exec_root),
            "pidfile": str(self._exec_root / "dockerd.pid"),
            "hosts": [f"unix://{SOCKET}"],
            "mtu": mtu,
            "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": str(mtu)}},
            "shutdown-timeout": 5,
        }

    def stop(self) -> None:
        """Stops the engine with all its containers, and removes what it leaves in the kernel; safe to run again."""
        holder = self.read_pid()
        if holder is None:
            return
        logger.info("stopping the Docker engine")
        with suppress(OSError):
            for child in Path(f"/proc/{holder}/task/{holder}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)
        try:
            wait_until(lambda: not runs(holder), "the Docker engine's end", seconds=STOP_SECONDS)
        except LabError:
            os.kill(holder, signal.SIGKILL)
            wait_until(
                lambda: not runs(holder), "the Docker engine's end after SIGKILL", seconds=STOP_SECONDS
            )
        self._pid_file.unlink(missing_ok=True)
        SOCKET.unlink(missing_ok=True)
        remove_bridges()
        remove_rules()
