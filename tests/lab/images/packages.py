"""Reads a Debian suite's package list and finds what a package needs."""

from __future__ import annotations

import mmap
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError


@dataclass(frozen=True)
class Package:
    """One entry of a suite's package list.

    Attributes:
        name: The package's name.
        version: Its version, with the epoch.
        architecture: `all` or the machine's.
        depends: Each dependency as its alternatives' names.
        provides: Virtual names it stands for.
    """

    name: str
    version: str
    architecture: str
    depends: tuple[tuple[str, ...], ...]
    provides: frozenset[str]

    @property
    def file_name(self) -> str:
        """The name apt gives the downloaded file."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def parse_package(stanza: str) -> Package:
    """Reads one entry of a `Packages` file; versions in its dependencies are ignored, a suite fits together."""
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", stanza, re.MULTILINE))
    relations = [fields[key] for key in ("Pre-Depends", "Depends") if key in fields]
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        depends=tuple(_names(item) for relation in relations for item in relation.split(",")),
        provides=frozenset(_names(item)[0] for item in fields.get("Provides", "").split(",") if item.strip()),
    )


def _names(relation: str) -> tuple[str, ...]:
    return tuple(re.split(r"[ :(]", part.strip(), maxsplit=1)[0] for part in relation.split("|"))


class Suite:
    """The packages of one Debian suite.

    The list has 70,000 entries and is mapped, not read: on a small virtual machine touching that much memory takes
    longer than everything else here.
    """

    def __init__(self, listing: Path) -> None:
        """Notes where each entry of a `Packages` file begins."""
        with listing.open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._offsets = {
            match[1].decode(): match.start() for match in re.finditer(rb"(?m)^Package: (.+)$", self._text)
        }

    def read_required(self) -> tuple[str, ...]:
        """Names of the packages that each system has."""
        marks = re.finditer(rb"(?m)^(Essential: yes|Priority: required)$", self._text)
        return tuple(dict.fromkeys(self._package_around(mark.start()).name for mark in marks))

    def find(self, name: str) -> Package | None:
        """The package of this name, or the first that provides it; None when there is neither."""
        if name in self._offsets:
            return self._package_around(self._offsets[name])
        mention = re.search(rb"(?m)^Provides:.*\b" + re.escape(name.encode()) + rb"\b", self._text)
        return self._package_around(mention.start()) if mention else None

    def _package_around(self, offset: int) -> Package:
        start = self._text.rfind(b"\n\n", 0, offset) + 1
        return parse_package(self._text[start : self._text.find(b"\n\n", offset)].decode())

    def resolve(self, wanted: Iterable[str], *, without: Iterable[str] = ()) -> list[Package]:
        """Finds what has to be installed on an empty system: of each dependency the first alternative.

        Args:
            wanted: Names to install.
            without: Names to leave out, with what only they need.

        Returns:
            The packages, those asked for by name first.

        Raises:
            LabError: A name is not in the suite.
        """
        chosen: dict[str, Package] = {}
        satisfied = set(without)
        waiting: deque[tuple[str, ...]] = deque((name,) for name in wanted)
        while waiting:
            alternatives = waiting.popleft()
            if satisfied.intersection(alternatives):
                continue
            package = next(filter(None, map(self.find, alternatives)), None)
            if package is None:
                raise LabError(f"the Debian mirror has no package {' or '.join(alternatives)}")
            chosen[package.name] = package
            satisfied |= {package.name, *package.provides}
            waiting.extend(package.depends)
        return list(chosen.values())
