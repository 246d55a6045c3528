"""A server of the lab: a machine with sshd and a Docker engine of its own, and the faults it can be given."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.entrance import entrance
from tests.lab.shell import run, wait_until

BOOT_SECONDS = 120
ENGINE_END_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: Its name, usually an environment's.
        address: Its address, reachable from the controller and from the other servers.
        port: The SSH port.
        user: The user to log in as, a member of group docker.
        private_key_path: The key that opens that login.
        host_key: The key it proves itself with, as `ssh-ed25519 AAAA…`.
        container: The container it is.
        network: The lab's network.
    """

    name: str
    address: str
    port: int
    user: str
    private_key_path: Path
    host_key: str
    container: str
    network: str

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program on the server as root, past SSH and past a cut network: for assertions."""
        return run((*entrance(self.container), *argv), check=check, stdin=stdin)

    def execute(self, program: str) -> None:
        """Runs one of the server's own programs, which may start its engine, as a part of the server."""
        run(("docker", "exec", "--interactive", self.container, program))

    def answers(self) -> bool:
        """Whether its sshd greets."""
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def cut_network(self) -> None:
        """Takes the server off the network, also under open connections, which then hang."""
        run(("docker", "network", "disconnect", "--force", self.network, self.container), check=False)

    def restore_network(self) -> None:
        """Puts the server back on the network under its old address; safe when it was never cut."""
        if not self.answers():
            connect = ("docker", "network", "connect", "--ip", self.address, self.network, self.container)
            run(connect, check=False)
            wait_until(self.answers, f"the SSH greeting of {self.name}", seconds=BOOT_SECONDS)

    def kill_engine(self) -> None:
        """Kills the engine, as a crash would; its containers' processes go on."""
        self.run(("pkill", "-KILL", "-x", "dockerd"), check=False)
        wait_until(
            lambda: self.run(("docker", "version"), check=False).returncode != 0,
            f"the end of {self.name}'s engine",
            seconds=ENGINE_END_SECONDS,
        )

    def start_engine(self) -> None:
        """Starts the engine, unless it runs, and waits until it answers."""
        self.execute("server-engine")

    def reboot(self) -> None:
        """Switches the server off and on: its disk stays, all else starts anew."""
        run(("docker", "restart", "--time", "0", self.container))
        wait_until(self.answers, f"the SSH greeting of {self.name}", seconds=BOOT_SECONDS)

    def fill_disk(self, leave_bytes: int = 0) -> None:
        """Fills the disk on which the engine and the home folder are.

        Args:
            leave_bytes: What stays free.
        """
        self.run(("server-fill-disk", str(leave_bytes)))

    def free_disk(self) -> None:
        """Takes back `fill_disk`."""
        self.run(("rm", "--force", "/srv/filler"))

    def kill_containers(self) -> None:
        """End what runs there and keep it: idle applications take time from a machine that several servers share."""
        self.run(("sh", "-c", "docker ps --quiet | xargs -r docker kill"), check=False)

    def reset(self) -> None:
        """Makes it a fresh server again and takes back faults: no containers, volumes or files; images stay."""
        self.restore_network()
        self.execute("server-reset")
        self.execute("server-images")
