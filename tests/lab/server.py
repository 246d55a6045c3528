"""A server of the lab: a machine with sshd and a Docker engine of its own, and the faults it can be given."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.images.recipes import SERVER_IMAGE
from tests.lab.keys import ensure_key
from tests.lab.registry import BASE_PREFIX, Registry
from tests.lab.settings import FIRST_SERVER_HOST_NUMBER, REGISTRY_HOST_NUMBER, Settings
from tests.lab.shell import LabError, run, wait_until

BOOT_SECONDS = 90
SSH_PORT = 22
USER = "deploy"


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

    def run(self, argv: Sequence[str], *, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a program on the server as root, past SSH and past a cut network: for assertions."""
        return run(("docker", "exec", "--interactive", self.container, *argv), check=check, stdin=stdin)

    def answers(self) -> bool:
        """Whether its sshd greets."""
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def cut_network(self) -> None:
        """Takes the server off the network, also under open connections."""
        run(("docker", "network", "disconnect", "--force", self.network, self.container), check=False)

    def restore_network(self) -> None:
        """Puts the server back on the network, under its old address; safe when it was never cut."""
        template = "{{json .NetworkSettings.Networks}}"
        networks = json.loads(run(("docker", "inspect", "--format", template, self.container)).stdout)
        if self.network not in networks:
            run(("docker", "network", "connect", "--ip", self.address, self.network, self.container))
        wait_until(self.answers, f"the SSH greeting of {self.name}", seconds=BOOT_SECONDS)

    def kill_engine(self) -> None:
        """Kills the engine, as a crash would; its containers' processes go on."""
        self.run(("pkill", "-KILL", "-x", "dockerd"), check=False)
        wait_until(lambda: self.run(("docker", "version"), check=False).returncode != 0, "the engine's end", seconds=10)

    def start_engine(self) -> None:
        """Starts the engine, unless it runs, and waits until it answers."""
        self.run(("server-engine",))

    def fill_disk(self, leave_bytes: int = 0) -> None:
        """Fills the disk of the engine and of the home folder.

        Args:
            leave_bytes: What stays free.
        """
        free = int(self.run(("stat", "--file-system", "--format", "%a", "/srv")).stdout)
        block = int(self.run(("stat", "--file-system", "--format", "%S", "/srv")).stdout)
        size = free * block - leave_bytes
        if size > 0:
            self.run(("fallocate", "--length", str(size), "/srv/filler"), check=False)

    def free_disk(self) -> None:
        """Takes back `fill_disk`."""
        self.run(("rm", "--force", "/srv/filler"))

    def reset(self) -> None:
        """Makes it a fresh server again, faults taken back: no containers, volumes or files; images stay."""
        self.restore_network()
        self.run(("server-reset",))


def describe_server(settings: Settings, name: str, number: int) -> Server:
    """A server's data, which are known before it starts.

    Args:
        settings: The lab's settings.
        name: The server's name.
        number: Its number, from 0, which gives its address.
    """
    folder = settings.directory / "servers" / name
    deploy_key = settings.directory / "ssh" / "id_ed25519"
    authorized = ensure_key(deploy_key)
    host_key = ensure_key(folder / "ssh_host_ed25519_key")
    (folder / "authorized_keys").write_text(authorized + "\n")
    return Server(
        name=name,
        address=str(settings.host_address(FIRST_SERVER_HOST_NUMBER + number)),
        port=SSH_PORT,
        user=USER,
        private_key_path=deploy_key,
        host_key=host_key,
        container=f"{settings.name}-{name}",
        network=settings.name,
    )


def ensure_server(settings: Settings, server: Server, registry: Registry, images: Sequence[str]) -> None:
    """Makes sure that a server runs, answers and has the base images; safe to run again."""
    if not (_is_current(server) and server.answers()):
        _start(settings, server)
    prefix = f"{registry.address}/{BASE_PREFIX}"
    server.run(("server-images", prefix, *images), stdin=registry.docker_config())


def _is_current(server: Server) -> bool:
    image = run(("docker", "image", "inspect", "--format", "{{.Id}}", SERVER_IMAGE)).stdout
    template = "{{.Image}}{{if .State.Running}}{{else}} stopped{{end}}"
    return run(("docker", "inspect", "--format", template, server.container), check=False).stdout == image


def _start(settings: Settings, server: Server) -> None:
    run(("docker", "rm", "--force", server.container), check=False)
    target = f"{settings.host_address(REGISTRY_HOST_NUMBER)}:5000"
    run(
        (
            *("docker", "run", "--detach", "--privileged", "--name", server.container, "--hostname", server.name),
            *("--network", server.network, "--ip", server.address),
            *("--env", f"REGISTRY_PORT={settings.registry_port}", "--env", f"REGISTRY_TARGET={target}"),
            *("--tmpfs", "/run:exec", "--volume", f"{server.container}:/disk"),
            *("--volume", f"{settings.directory / 'servers' / server.name}:/etc/sluice-lab:ro"),
            SERVER_IMAGE,
        )
    )
    try:
        wait_until(server.answers, f"the SSH greeting of {server.name}", seconds=BOOT_SECONDS)
    except LabError as error:
        log = run(("docker", "logs", "--tail", "3", server.container), check=False)
        raise LabError(f"{error}; its last words: {log.stdout}{log.stderr}") from error
    server.run(("server-reset",))
