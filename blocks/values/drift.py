"""Where a host differs from what the ledger says runs there, and what is read of a host to tell so."""

from __future__ import annotations

from typing import NamedTuple

from blocks.values.base import Value
from blocks.values.facts import HostFacts


class Difference(NamedTuple):
    """One difference as it is seen now.

    Attributes:
        host: The host's name; empty where it is about no host.
    """

    host: str
    kind: str
    subject: str
    detail: str


class OtherContainer(Value):
    """One container of a host, whoever started it.

    Attributes:
        one_off: True when `compose run` started it.
        running: True when it runs, restarts or is paused.
    """

    name: str
    image: str
    project: str = ""
    service: str = ""
    one_off: bool = False
    running: bool = True
    networks: tuple[str, ...] = ()


class HostState(Value):
    """What is read of a host to compare it with the ledger.

    Attributes:
        files: Path in the current bundle → sha256 of its content, hex; links are left out.
    """

    facts: HostFacts
    containers: tuple[OtherContainer, ...] = ()
    files: dict[str, str] = {}
    override: str = ""
