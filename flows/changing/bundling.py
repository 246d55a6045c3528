"""A release's bundle: the commit's files that compose needs on a host, and the override that pins digests."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.values.manifests import Manifest
from flows.domain.compose import bundle_paths, files_labels, override, pinned_images, service_targets
from flows.domain.compose_facts import depended_on, tcp_ports
from tasks.run import Run, utc_now
from tasks.stage import OVERRIDE
from tasks.step import log

if TYPE_CHECKING:
    from blocks.values.facts import HostFacts
    from blocks.values.releases import Release
    from tasks.commands.compose import ComposeProject
    from tasks.sources import Sources


@dataclass(frozen=True)
class Bundle:
    """What a host gets of a release.

    Attributes:
        archive: The commit's files, as a tar archive.
        override: The text of the generated compose file.
        files: The compose files, in order, the override last.
        env_links: Paths in the bundle that lead to the host's env file.
        data_links: Paths in the bundle that lead to data folders which outlive releases.
        services: The services that run, sorted.
        depended_on: Those of them that others need to run, sorted.
        ports: The TCP ports they publish.
        checksum: sha256 over all of it, hex.
    """

    archive: bytes
    override: str
    files: tuple[str, ...]
    env_links: tuple[str, ...]
    data_links: tuple[str, ...]
    services: tuple[str, ...]
    depended_on: tuple[str, ...]
    ports: frozenset[int]
    checksum: str

    def shared(self, env_file: str | None) -> tuple[tuple[str, str], ...]:
        """Return what is linked into the bundle on a host whose env file has a name."""
        env = tuple((path, env_file) for path in self.env_links) if env_file else ()
        return (*env, *((path, f"shared/{path}") for path in self.data_links))

    def checksums(self) -> dict[str, str]:
        """Return the checksum of every file a host gets; what a link takes the place of is not among them."""
        links = (*self.env_links, *self.data_links)
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as members:
            files = {
                member.name: content.read()
                for member in members
                if member.isreg() and (content := members.extractfile(member)) is not None
            }
        files[OVERRIDE] = self.override.encode()
        return {
            path: hashlib.sha256(content).hexdigest()
            for path, content in sorted(files.items())
            if not any(path == link or path.startswith(f"{link}/") for link in links)
        }


def make_bundle(run: Run, release: Release, sources: Sources) -> Bundle:
    """Cut a release's bundle from its commit.

    Args:
        run: The promotion.
        release: The release, built.
        sources: Its files.

    Returns:
        The bundle.

    Raises:
        TerminalError: A service is built and the release has no image for it.
    """
    sha, config = release.commit.sha, sources.config
    described = sources.described
    spec = bundle_paths(
        config,
        str(sources.render),
        described.tracked,
        described.compose_files,
        lambda path: run.mirror.read_file(sha, path),
    )
    for path in (*spec.outside, *spec.unresolved):
        log().info("bundle: %s is not part of the release; the host must have it", path)
    hashes = {name: hashlib.sha256(_content(sources.source, name)).hexdigest() for name in spec.files}
    targets = service_targets(config, {s: i.target for i in release.images for s in i.services})
    references = {image.target: image.reference for image in release.images}
    ours = {service: references[target] for service, target in targets.items()}
    text = override(
        config,
        pinned_images(config, release.third_party, described.fixed_images) | ours,
        files_labels(config, str(sources.render), hashes),
    )
    archive = run.mirror.archive(sha, spec.files)
    env_paths = {entry.path for entry in spec.env_files}
    return Bundle(
        archive=archive,
        override=text,
        files=(*described.compose_files, OVERRIDE),
        # A committed `.env` holds examples: the host's own file takes its place.
        env_links=tuple(sorted(env_paths & {".env", *spec.untracked})),
        data_links=tuple(path for path in spec.untracked if path not in env_paths and path != "."),
        services=tuple(sorted(config.get("services", {}))),
        depended_on=depended_on(config),
        ports=tcp_ports(config),
        checksum=hashlib.sha256("".join(sorted(hashes.values())).encode() + text.encode()).hexdigest(),
    )


def _content(source: Path, name: str) -> bytes:
    """Read a file of the commit; of a link that leads out of it, or to a folder, only where it leads."""
    path = source / name
    inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source))
    return path.read_bytes() if inside and path.is_file() else os.fsencode(path.readlink())


def make_manifest(run: Run, release: Release, bundle: Bundle, facts: HostFacts) -> Manifest:
    """Return what a host shall remember of a release."""
    return Manifest(
        release=release,
        environment=run.environment,
        promotion_id=run.promotion_id,
        previous_release_id=facts.manifest.release.id if facts.manifest else None,
        compose_files=bundle.files,
        profiles=run.description.profiles,
        env_file=facts.env_file,
        services=bundle.services,
        depended_on=bundle.depended_on,
        bundle_checksum=bundle.checksum,
        checksums=bundle.checksums(),
        env_keys=facts.env_keys,
        staged_at=utc_now(),
    )


def project_of(run: Run, host: str, manifest: Manifest, *, current: bool) -> ComposeProject:
    """Return the compose project of a manifest on a host.

    Args:
        run: The promotion.
        host: The host's name.
        manifest: What the host remembers, or shall remember.
        current: True for the stable path of the current release, so that mounts keep their source from release to
            release; False for the release's own folder, before the switch.
    """
    return run.project(
        host,
        release_id=None if current else manifest.release.id,
        files=manifest.compose_files,
        profiles=manifest.profiles,
        env_file=manifest.env_file,
    )
