"""Where the lab lives and what it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# Outside 172.16.0.0/12 and 192.168.0.0/16, from which the engines give networks to applications.
DEFAULT_SUBNET = "10.77.84.0/24"

REGISTRY_HOST_NUMBER = 2
FIRST_SERVER_HOST_NUMBER = 10


def _directory() -> Path:
    return Path(os.environ.get("SLUICE_LAB_DIR", CHECKOUT / ".lab")).resolve()


def _cache_directory() -> Path:
    home_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("SLUICE_LAB_CACHE", home_cache / "sluice-lab")).resolve()


@dataclass(frozen=True)
class Settings:
    """The few choices a lab has, each with an environment variable.

    Attributes:
        directory: State of this lab: keys, `lab.json`, logs (`SLUICE_LAB_DIR`, default `.lab` in the checkout).
        cache: Downloaded packages, shared by all checkouts (`SLUICE_LAB_CACHE`).
        engine_directory: Data of an engine the lab starts itself (`SLUICE_LAB_ENGINE_DIR`).
        name: Prefix of everything the lab creates in the engine (`SLUICE_LAB_NAME`).
        subnet: Network of the servers (`SLUICE_LAB_SUBNET`).
        registry_port: The registry's port on 127.0.0.1, the same on the controller and on each server
            (`SLUICE_LAB_REGISTRY_PORT`).
    """

    directory: Path = field(default_factory=_directory)
    cache: Path = field(default_factory=_cache_directory)
    engine_directory: Path = field(
        default_factory=lambda: Path(os.environ.get("SLUICE_LAB_ENGINE_DIR", "/var/lib/sluice-lab"))
    )
    name: str = field(default_factory=lambda: os.environ.get("SLUICE_LAB_NAME", "sluice-lab"))
    subnet: IPv4Network = field(
        default_factory=lambda: IPv4Network(os.environ.get("SLUICE_LAB_SUBNET", DEFAULT_SUBNET))
    )
    registry_port: int = field(default_factory=lambda: int(os.environ.get("SLUICE_LAB_REGISTRY_PORT", "5077")))

    def host_address(self, number: int) -> IPv4Address:
        """The address of the lab's host with this number in the subnet."""
        return self.subnet[number]

    @property
    def registry_address(self) -> str:
        """The registry's `host:port`, as image references name it everywhere."""
        return f"127.0.0.1:{self.registry_port}"
