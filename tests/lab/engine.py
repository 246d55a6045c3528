"""The Docker engine the lab runs on: one that already answers, or one it starts itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, run, wait_until

SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True)
class OwnEngine:
    """An engine that the lab starts and stops.

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
        return self.directory / "dockerd.pid"

    def read_pid(self) -> int | None:
        """The running engine's process id; None when it does not run.

        A pid file alone proves nothing: the number may belong to another program by now, or to a zombie, which has
        a name but no `exe`.
        """
        with suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            if Path(os.readlink(f"/proc/{pid}/exe")).name.startswith("dockerd"):
                return pid
        return None

    def start(self) -> None:
        """Starts the engine and waits until it answers.

        Raises:
            LabError: There is no engine to start, no right to start it, or it does not answer.
        """
        program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None or os.geteuid() != 0:
            raise LabError("no Docker engine answers; start yours, or run script/setup and the lab as root")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        (self.directory / "daemon.json").write_text(json.dumps(self._configuration()))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                (program, "--config-file", str(self.directory / "daemon.json")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        def answers() -> bool:
            if process.poll() is not None:
                raise LabError(f"dockerd ended with status {process.returncode}; see {self.log}")
            return engine_answers()

        wait_until(answers, "the Docker engine's first answer", seconds=START_SECONDS, hint=self.log)

    def _configuration(self) -> dict[str, object]:
        return {
            "data-root": str(self.directory / "data"),
            "exec-root": str(self.directory / "exec"),
            "pidfile": str(self._pid_file),
            "hosts": [f"unix://{SOCKET}"],
            # A bridge with larger packets than the way out loses them without a word: builds hang in downloads.
            "mtu": read_mtu(),
            "shutdown-timeout": 5,
        }

    def stop(self) -> None:
        """Stops the engine with all containers, and removes what it leaves in the kernel; safe to run again."""
        pid = self.read_pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            try:
                wait_until(lambda: not _runs(pid), "the Docker engine's end", seconds=STOP_SECONDS)
            except LabError:
                os.kill(pid, signal.SIGKILL)
        self._end_orphans()
        self._unmount()
        self._remove_network()

    def _end_orphans(self) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                if any(word.startswith(str(self.directory).encode()) for word in command):
                    os.kill(int(folder.name), signal.SIGKILL)

    def _unmount(self) -> None:
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in reversed(points):
            if Path(point).is_relative_to(self.directory):
                run(("umount", "--lazy", point), check=False)

    def _remove_network(self) -> None:
        links = json.loads(run(("ip", "-json", "link", "show", "type", "bridge")).stdout or "[]")
        bridges = [link["ifname"] for link in links if re.fullmatch(r"docker0|br-[0-9a-f]{12}", link["ifname"])]
        for bridge in bridges:
            run(("ip", "link", "delete", bridge), check=False)
        for program in ("iptables", "ip6tables"):
            _remove_rules(program)


def engine_answers() -> bool:
    """Whether a Docker engine answers on the machine's usual socket."""
    return SOCKET.exists() and run(("docker", "version"), check=False, timeout_seconds=20).returncode == 0


def read_mtu() -> int:
    """The largest packet that the machine's way out carries, in bytes."""
    with suppress(OSError, IndexError, StopIteration):
        routes = Path("/proc/net/route").read_text().splitlines()
        device = next(line.split()[0] for line in routes if line.split()[1] == "00000000")
        return int(Path(f"/sys/class/net/{device}/mtu").read_text())
    return 1500


def _runs(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False
    return True


def _remove_rules(program: str) -> None:
    saved = run((f"{program}-save",), check=False).stdout
    kept = [line for line in saved.splitlines() if "DOCKER" not in line and " docker0" not in line and " br-" not in line]
    rules = "\n".join(kept).replace(":FORWARD DROP", ":FORWARD ACCEPT")
    run((f"{program}-restore",), stdin=rules + "\n", check=False)
