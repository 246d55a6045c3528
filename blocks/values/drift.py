"""Where a host differs from what the ledger says runs there, and what is read of a host to tell so."""

from __future__ import annotations

from typing import NamedTuple

from blocks.values.base import Value
from blocks.values.facts import HostFacts


class Difference(NamedTuple):
    """One difference as it is seen now.

    Attributes:
        host: The host's name; empty where it is about no host.
        kind: What differs.
        subject: What it is about.
        detail: One line for a person.
    """

    host: str
    kind: str
    subject: str
    detail: str


class OtherContainer(Value):
    """One container of a host, whoever started it.

    Attributes:
        name: Its name.
        image: The reference it was started with.
        project: The compose project it belongs to, empty without one.
        service: Its compose service, empty without one.
        one_off: True when `compose run` started it.
        running: True when it runs, restarts or is paused.
        networks: The networks it is on.
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
        facts: What a plan reads as well.
        containers: All containers of the host.
        files: Path in the current bundle → sha256 of its content, hex; links are left out.
        override: The text of the generated compose file, empty without one.
    """

    facts: HostFacts
    containers: tuple[OtherContainer, ...] = ()
    files: dict[str, str] = {}
    override: str = ""
