"""The lab as a whole: brings it up, describes it, takes it down."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.lab.engine import SOCKET, OwnEngine, engine_answers
from tests.lab.images.ensure import ensure_images
from tests.lab.images.recipes import base_images
from tests.lab.registry import Registry, ensure_pushed, ensure_registry
from tests.lab.server import Server, describe_server, ensure_server
from tests.lab.settings import Settings
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
        """Starts what does not run yet, and repairs what an interrupted session left behind.

        Args:
            servers: The servers wanted; those already there stay.
            settings: The lab's settings, from the environment by default.

        Returns:
            The lab, each part of which has answered.

        Raises:
            LabError: Something did not start; the message says what and where to look.
        """
        settings = settings or Settings()
        with _only_one_at_a_time(settings):
            if not engine_answers():
                OwnEngine(settings.engine_directory).start()
            ensure_images(settings.cache)
            _ensure_network(settings)
            registry = ensure_registry(settings, settings.name)
            images = tuple(recipe.tag for recipe in base_images())
            ensure_pushed(registry, images, settings.directory / "registry")
            names = _remember_names(settings, servers)
            described = {name: describe_server(settings, name, names.index(name)) for name in names}
            with ThreadPoolExecutor() as pool:
                starts = [pool.submit(ensure_server, settings, server, registry, images) for server in described.values()]
            for start in starts:
                start.result()
            lab = cls(settings, registry, described)
            lab._write_description()
            return lab

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
        (folder / "lab.json").write_text(json.dumps(self.describe(), indent=2) + "\n")
        lines = [f"{server.address} {server.host_key}\n" for server in self.servers.values()]
        (folder / "known_hosts").write_text("".join(lines))


@contextmanager
def _only_one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.directory.mkdir(parents=True, exist_ok=True)
    with (settings.directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ensure_network(settings: Settings) -> None:
    found = run(("docker", "network", "inspect", "--format", "{{json .IPAM.Config}}", settings.name), check=False)
    if found.returncode == 0 and str(settings.subnet) in found.stdout:
        return
    run(("docker", "network", "rm", settings.name), check=False)
    # Containers without a fixed address take theirs from the upper half.
    upper_half = list(settings.subnet.subnets(prefixlen_diff=1))[1]
    run(("docker", "network", "create", "--subnet", str(settings.subnet), "--ip-range", str(upper_half), settings.name))


def _remember_names(settings: Settings, wanted: Sequence[str]) -> list[str]:
    path = settings.directory / "servers.json"
    known: list[str] = json.loads(path.read_text()) if path.exists() else []
    names = list(dict.fromkeys([*known, *wanted]))
    path.write_text(json.dumps(names))
    return names
