"""Downloads Debian packages with a private apt configuration, on this machine or in a container."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.images.packages import Package, Suite
from tests.lab.shell import LabError, run

SOURCES_FILE = "/etc/apt/sources.list.d/debian.sources"
DOWNLOAD_SECONDS = 600

_SOURCES = """\
Types: deb
URIs: {mirror}
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

# Neither pins nor hooks of this machine take part.
_CONFIGURATION = """\
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "{root}/debian.sources";
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


def sources(mirror: str) -> str:
    """The suite at a mirror, as apt wants it described."""
    return _SOURCES.format(mirror=mirror)


@dataclass(frozen=True)
class Apt:
    """A private apt.

    Attributes:
        directory: Its package list and the downloaded packages; kept, so that a second call downloads nothing.
        mirror: The address of a Debian mirror.
        proxies: Lines of this machine's apt configuration that name proxies.
        image: Run apt in a container of this image, because this machine has none; None to run it here.
    """

    directory: Path
    mirror: str
    proxies: str = ""
    image: str | None = None

    @classmethod
    def here(cls, directory: Path) -> Apt:
        """This machine's apt, with the Debian mirror it is configured to use.

        Raises:
            LabError: It has no apt, or the configuration names no Debian mirror.
        """
        # Asked this way, apt need not read its package lists, which takes seconds where it may not cache them.
        addresses = run(("apt-get", "--print-uris", "update")).stdout
        release = re.search(r"^'(\S+)/dists/(bookworm|trixie)/InRelease'", addresses, re.MULTILINE)
        if release is None:
            raise LabError("no base image can be pulled, and apt knows no Debian mirror to make one from")
        settings = run(("apt-config", "dump", "Acquire")).stdout
        return cls(directory, release[1], "".join(re.findall(r"(?m)^.*::Proxy.*\n", settings)))

    @classmethod
    def in_container(cls, directory: Path, image: str) -> Apt:
        """The apt of a Debian image, with the mirror which that is configured to use."""
        configured = run(("docker", "run", "--rm", image, "cat", SOURCES_FILE)).stdout
        (mirror,) = re.findall(r"(?m)^URIs: (\S+?)/?$", configured)[:1]
        return cls(directory, mirror, image=image)

    @property
    def archives(self) -> Path:
        """Where the package files lie."""
        return self.directory / "archives"

    def update(self) -> Suite:
        """Fetches the suite's signed package list and reads it."""
        for folder in (self.archives, self.directory / "lists" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        (self.directory / "debian.sources").write_text(sources(self.mirror))
        (self.directory / "apt.conf").write_text(_CONFIGURATION.format(root=self.directory) + self.proxies)
        self._run("update", "--error-on=any")
        (listing,) = (self.directory / "lists").glob("*_Packages")
        return Suite(listing)

    def download(self, packages: Iterable[Package]) -> None:
        """Downloads what is not there yet; apt checks each file against the signed list."""
        missing = [package for package in packages if not (self.archives / package.file_name).exists()]
        if missing:
            self._run("download", *(f"{package.name}={package.version}" for package in missing))

    def _run(self, *arguments: str) -> None:
        configuration = f"APT_CONFIG={self.directory / 'apt.conf'}"
        place: tuple[str, ...] = ("env", configuration)
        if self.image is not None:
            mount = ("--volume", f"{self.directory}:{self.directory}", "--workdir", str(self.archives))
            place = ("docker", "run", "--rm", *mount, "--env", configuration, self.image)
        run((*place, "apt-get", "--quiet", *arguments), cwd=self.archives, timeout_seconds=DOWNLOAD_SECONDS)
