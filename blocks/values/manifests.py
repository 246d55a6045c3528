"""What a host itself remembers of a release: enough to start it again without server and ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from blocks.values.base import Value
from blocks.values.releases import Release

# Beside the bundle; applications have a `manifest.json` of their own, which earlier versions took for theirs.
MANIFEST_FILE, EARLIER_MANIFEST_FILE = "sluice.manifest.json", "manifest.json"


class Manifest(Value):
    """The file `sluice.manifest.json` beside each release's bundle on a host.

    Attributes:
        compose_files: The bundle's compose files, in the order compose is given them.
        depended_on: Those of them that others need to run, sorted; empty in manifests of earlier versions.
        images: Service → its image, for those whose image the release decides and not the host's env file; empty in
            manifests of earlier versions.
        written: Paths in the bundle that containers may write to, sorted; None in manifests of earlier versions.
        bundle_checksum: sha256 over the bundle's files, hex.
        checksums: Path in the bundle → sha256 of its content, hex, by which a hand edit is found; links to what is
            no part of a release are left out. Empty in manifests of earlier versions.
        links: Path in the bundle → what it leads to, for the commit's symbolic links; None in manifests of earlier
            versions.
        env_keys: The keys the env file had when the bundle was put there, sorted.
    """

    release: Release
    environment: str
    promotion_id: int
    previous_release_id: str | None
    compose_files: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    env_file: str | None = None
    services: tuple[str, ...] = ()
    depended_on: tuple[str, ...] = ()
    images: dict[str, str] = {}
    written: tuple[str, ...] | None = None
    bundle_checksum: str = ""
    checksums: dict[str, str] = {}
    links: dict[str, str] | None = None
    env_keys: tuple[str, ...] = ()
    staged_at: datetime

    @property
    def brought(self) -> dict[str, str]:
        """Everything the bundle has: its files with their checksums, its links with what they lead to."""
        return bundled(self.checksums, self.links or {})


def bundled(checksums: Mapping[str, str], links: Mapping[str, str]) -> dict[str, str]:
    """Return files and links alike: each path with what tells whether it changed."""
    return {**checksums, **{path: f"-> {target}" for path, target in links.items()}}
