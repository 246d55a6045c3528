"""Where the lab lives and what it is called."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

GATEWAY_HOST_NUMBER = 1
REGISTRY_HOST_NUMBER = 2
FIRST_SERVER_HOST_NUMBER = 10

# What all containers of all labs are labelled with; the value is the lab's name.
LABEL = "sluice.lab"


def _path(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).resolve()


@dataclass(frozen=True)
class Settings:
    """Where a lab lives; the rest follows from its directory, so that two checkouts' labs run side by side.

    Attributes:
        directory: State of this lab: keys, `lab.json` (`SLUICE_LAB_DIR`, default `.lab` in the checkout).
        cache: Downloaded packages, shared by all labs (`SLUICE_LAB_CACHE`).
        engine_directory: Data of an engine the labs start themselves (`SLUICE_LAB_ENGINE_DIR`).
    """

    directory: Path = field(default_factory=lambda: _path("SLUICE_LAB_DIR", CHECKOUT / ".lab"))
    cache: Path = field(
        default_factory=lambda: _path("SLUICE_LAB_CACHE", Path("~/.cache/sluice-lab").expanduser())
    )
    engine_directory: Path = field(
        default_factory=lambda: _path("SLUICE_LAB_ENGINE_DIR", Path("/var/lib/sluice-lab"))
    )

    def beside(self, name: str) -> Settings:
        """Return the settings of another lab of the same checkout."""
        return replace(self, directory=self.directory.with_name(f"{self.directory.name}-{name}"))

    @property
    def _digest(self) -> bytes:
        return hashlib.sha256(os.fsencode(self.directory)).digest()

    @property
    def name(self) -> str:
        """What everything of this lab in the engine is called or begins with."""
        return f"sluice-lab-{self._digest[:3].hex()}"

    @property
    def subnet(self) -> IPv4Network:
        """The servers' network: outside of 172.16.0.0/12 and 192.168.0.0/16, from which engines take networks."""
        return IPv4Network(f"10.{64 + self._digest[0] % 64}.{self._digest[1]}.0/24")

    @property
    def registry_port(self) -> int:
        """The registry's port on 127.0.0.1, the same on the controller and on each server."""
        return 20000 + int.from_bytes(self._digest[:2]) % 10000

    def host_address(self, number: int) -> IPv4Address:
        """The address of the lab's host with this number in the subnet."""
        return self.subnet[number]

    @property
    def description(self) -> Path:
        """The file that describes the running lab."""
        return self.directory / "lab.json"

    @property
    def label(self) -> str:
        """What all containers of this lab are labelled with."""
        return f"{LABEL}={self.name}"

    @property
    def registry_address(self) -> str:
        """The registry's `host:port`, as image references name it everywhere."""
        return f"127.0.0.1:{self.registry_port}"
