"""Finds and downloads Debian packages with their dependencies, apart from what this machine has installed."""

from __future__ import annotations

import mmap
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, run

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A private configuration, so that neither pins nor hooks of this machine take part. Only its proxies are kept.
_APT_CONFIGURATION = """\
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "{root}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{root}";
Dir::State::Status "{root}/status";
Dir::Cache "{root}";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "";
"""


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


def _names(relations: str) -> tuple[str, ...]:
    return tuple(re.split(r"[ :(]", relation.strip(), maxsplit=1)[0] for relation in relations.split("|"))


def _parse_package(stanza: str) -> Package:
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", stanza, re.MULTILINE))
    relations = [fields[key] for key in ("Pre-Depends", "Depends") if key in fields]
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        depends=tuple(_names(item) for relation in relations for item in relation.split(",")),
        provides=frozenset(_names(item)[0] for item in fields.get("Provides", "").split(",") if item.strip()),
    )


class Suite:
    """The packages of one Debian suite, read from its `Packages` file.

    The list has 70,000 entries and is mapped, not read: on a small virtual machine touching that much memory takes
    longer than everything else here.
    """

    def __init__(self, listing: Path) -> None:
        """Notes where each entry begins."""
        with listing.open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._offsets = {match[1].decode(): match.start() for match in re.finditer(rb"(?m)^Package: (.+)$", self._text)}

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
        return _parse_package(self._text[start : self._text.find(b"\n\n", offset)].decode())

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
        waiting = deque((name,) for name in wanted)
        while waiting:
            alternatives = waiting.popleft()
            if satisfied.intersection(alternatives):
                continue
            package = next(filter(None, map(self.find, alternatives)), None)
            if package is None:
                raise LabError(f"Debian {SUITE} has no package {' or '.join(alternatives)}")
            chosen[package.name] = package
            satisfied |= {package.name, *package.provides}
            waiting.extend(package.depends)
        return list(chosen.values())


def read_mirror() -> str:
    """The address of the Debian mirror this machine is configured to use.

    Raises:
        LabError: The machine's apt configuration names no Debian mirror.
    """
    # Asked this way, apt need not read its package lists, which takes seconds where it may not cache them.
    listing = run(("apt-get", "--print-uris", "update")).stdout
    release = re.search(r"^'(\S+)/dists/(bookworm|trixie)/InRelease'", listing, re.MULTILINE)
    if release is None:
        raise LabError("no base image can be pulled, and apt knows no Debian mirror to make one from")
    return release[1]


def _proxy_lines() -> Iterator[str]:
    for line in run(("apt-config", "dump", "Acquire")).stdout.splitlines():
        if "::Proxy" in line:
            yield line


@dataclass(frozen=True)
class PackageCache:
    """Downloaded packages of one suite.

    Attributes:
        directory: Package list and files; kept, so that a second call downloads nothing.
    """

    directory: Path

    @property
    def archives(self) -> Path:
        """Where the package files lie."""
        return self.directory / "archives"

    def update(self, mirror: str) -> Suite:
        """Fetches the suite's signed package list and reads it."""
        for folder in (self.archives, self.directory / "lists" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        source = f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"
        (self.directory / "sources.list").write_text(source)
        configuration = _APT_CONFIGURATION.format(root=self.directory) + "\n".join(_proxy_lines())
        (self.directory / "apt.conf").write_text(configuration)
        self._apt_get("update", "--error-on=any")
        (listing,) = (self.directory / "lists").glob("*_Packages")
        return Suite(listing)

    def download(self, packages: Iterable[Package]) -> None:
        """Downloads what is not there yet; apt checks each file against the signed list."""
        missing = [package for package in packages if not (self.archives / package.file_name).exists()]
        if missing:
            self._apt_get("download", *(f"{package.name}={package.version}" for package in missing))

    def _apt_get(self, *arguments: str) -> None:
        run(
            ("apt-get", "--quiet", *arguments),
            env={"APT_CONFIG": str(self.directory / "apt.conf")},
            cwd=self.archives,
            timeout_seconds=300,
        )
