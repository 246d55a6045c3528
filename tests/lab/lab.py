"""The lab as a whole: brings it up, describes it, takes it down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from tests.lab.down import take_down
from tests.lab.engine import SOCKET, ensure_engine
from tests.lab.fleet import describe_server, ensure_server, give_images
from tests.lab.images.ensure import ensure_images
from tests.lab.locks import locked
from tests.lab.registry import Registry, ensure_pushed, ensure_registry
from tests.lab.server import Server
from tests.lab.settings import GATEWAY_HOST_NUMBER, Settings
from tests.lab.shell import run

DEFAULT_SERVERS = ("feature", "staging", "prod")


@dataclass(frozen=True)
class Lab:
    """A running lab.

    Attributes:
        settings: Where it lives.
        registry: Its registry.
        servers: Its servers by name.
    """

    settings: Settings
    registry: Registry
    servers: dict[str, Server]

    @classmethod
    def up(cls, servers: Sequence[str] = DEFAULT_SERVERS, settings: Settings | None = None) -> Lab:
        """Starts what does not run yet, and repairs what faults or an interrupted session left behind.

        Args:
            servers: The servers wanted; those already there stay.
            settings: The lab's settings, from the environment by default.

        Returns:
            The lab, each part of which has answered.

        Raises:
            LabError: Something did not start; the message says what and where to look.
        """
        settings = settings or Settings()
        with locked(settings.directory):
            ensure_engine(settings.engine_directory)
            images = ensure_images(settings.cache)
            _ensure_network(settings)
            registry = ensure_registry(settings)
            described = _describe_servers(settings, servers)
            with ThreadPoolExecutor() as pool:
                starts = [pool.submit(ensure_server, settings, server) for server in described.values()]
                ensure_pushed(registry, images, settings.directory / "registry")
                for start in starts:
                    start.result()
                list(
                    pool.map(
                        lambda server: give_images(settings, server, registry, images), described.values()
                    )
                )
            lab = cls(settings, registry, described)
            lab._write_description()
            return lab

    def reset(self) -> None:
        """Makes all servers fresh and the registry answer, faults taken back; takes a second or two."""
        with ThreadPoolExecutor() as pool:
            self.registry.start()
            list(pool.map(Server.reset, self.servers.values()))

    def down(self, *, purge: bool = False) -> None:
        """Stops everything the lab started.

        Args:
            purge: Also remove its data: images, volumes, keys.
        """
        take_down(self.settings, purge=purge)

    def describe(self) -> dict[str, Any]:
        """Everything a client needs, as plain data; also in the file `lab.json`."""
        return {
            "docker_host": f"unix://{SOCKET}",
            "known_hosts": str(self.settings.directory / "known_hosts"),
            "registry": {**asdict(self.registry), "url": self.registry.url},
            "servers": {
                name: {**asdict(server), "private_key_path": str(server.private_key_path)}
                for name, server in self.servers.items()
            },
        }

    def _write_description(self) -> None:
        folder = self.settings.directory
        self.settings.description.write_text(json.dumps(self.describe(), indent=2) + "\n")
        lines = [f"{server.address} {server.host_key}\n" for server in self.servers.values()]
        (folder / "known_hosts").write_text("".join(lines))


def _ensure_network(settings: Settings) -> None:
    gateway = str(settings.host_address(GATEWAY_HOST_NUMBER))
    template = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}"
    found = run(("docker", "network", "inspect", "--format", template, settings.name), check=False)
    if found.stdout.split() == [str(settings.subnet), gateway]:
        return
    if found.returncode == 0:
        take_down(settings, purge=False, with_engine=False)
    # Containers without a fixed address take theirs from the upper half.
    _, upper_half = settings.subnet.subnets(prefixlen_diff=1)
    where = ("--subnet", str(settings.subnet), "--gateway", gateway, "--ip-range", str(upper_half))
    run(("docker", "network", "create", *where, settings.name))


def _describe_servers(settings: Settings, wanted: Sequence[str]) -> dict[str, Server]:
    # The order is remembered, because a server's place in it gives its address.
    path = settings.directory / "servers.json"
    known: list[str] = json.loads(path.read_text()) if path.exists() else []
    names = list(dict.fromkeys([*known, *wanted]))
    path.write_text(json.dumps(names))
    return {name: describe_server(settings, name, number) for number, name in enumerate(names)}
