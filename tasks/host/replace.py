"""PURE: what a compose that was cut while it replaced containers left, and how that is put right.

Compose makes a container's successor under the name `ID_NAME`, ID being the first twelve digits of the old one's id;
then it stops the old one, removes it, and gives the successor its name (`recreateContainer` in docker/compose). Cut in
between, the next `up` finds two containers where it wants one, removes the one while it makes another of the same name,
and may fail: `Conflict. The container name "/ID_NAME" is already in use`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from blocks.values.base import Value
from blocks.values.facts import ContainerFact
from tasks.host.docker import discard_container, rename_container
from tasks.kernel.argv import Argv

_SUCCESSOR = re.compile(r"([0-9a-f]{12})_(.+)")


class HalfReplaced(Value):
    """A container that was made to take another's place and never came to it.

    Attributes:
        discarded: True when it has to go; False when it gets that name.
    """

    container: str
    name: str
    discarded: bool

    def argv(self) -> Argv:
        """Return the command that puts it right."""
        if self.discarded:
            return discard_container(self.container)
        return rename_container(self.container, self.name)


def half_replaced(containers: Sequence[ContainerFact]) -> tuple[HalfReplaced, ...]:
    """Find the containers that were made to take another's place and never came to it.

    Where the old one is still there it counts, and its successor, which never ran, goes: compose makes another one.
    Where it is gone, its successor has its anonymous volumes, so it is kept and gets the name.
    """
    names = {container.name for container in containers}
    found: list[HalfReplaced] = []
    for container in containers:
        made_for = _SUCCESSOR.fullmatch(container.name)
        if made_for is None or not container.successor or container.status != "created":
            continue
        old, name = made_for.groups()
        stands = name in names or any(other.id.startswith(old) for other in containers)
        found.append(HalfReplaced(container=container.id, name=name, discarded=stands))
        names.add(name)
    return tuple(found)
