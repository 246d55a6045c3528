"""Where a host differs from what the ledger says runs there, and what is read of a host to tell so."""

from __future__ import annotations

from typing import NamedTuple

from blocks.values.base import Value
from blocks.values.facts import HostFacts


class Difference(NamedTuple):
    """One difference as it is seen now; `host` is empty where it is about no host."""

    host: str
    kind: str
    subject: str
    detail: str


class OtherContainer(Value):
    """One container of a host, whoever started it; one that restarts or is paused is `running` too."""

    name: str
    image: str
    project: str = ""
    service: str = ""
    one_off: bool = False
    running: bool = True
    networks: tuple[str, ...] = ()


class HostState(Value):
    """What is read of a host to compare it with the ledger; `files` maps paths of the bundle to sha256, hex."""

    facts: HostFacts
    containers: tuple[OtherContainer, ...] = ()
    files: dict[str, str] = {}
    override: str = ""
