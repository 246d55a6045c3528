"""A release's bundle: the commit's files that compose needs on a host, and the override that pins digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.values.manifests import MANIFEST_FILE, Manifest, bundled
from flows.domain.compose.facts import depended_on, tcp_ports
from flows.domain.compose.override import (
    bundle_paths,
    files_labels,
    override,
    written_paths,
)
from flows.domain.promotion.release_images import known_images
from tasks.kernel.archive import LISTED, plain_name, sha256
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import RefusedError
from tasks.steps.run import Run
from tasks.steps.step import log
from tasks.targets.target.protocol import OVERRIDE, ReleaseFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.releases import Release
    from tasks.images.sources import Sources
    from tasks.kernel.archive import Archive


@dataclass(frozen=True)
class Bundle:
    """What a host gets of a release.

    Attributes:
        files: The compose files, in order, the override last.
        env_links: Paths in the bundle that lead to the host's env file.
        data_links: Paths in the bundle that lead to data folders which outlive releases.
        depended_on: Those of them that others need to run, sorted.
        images: Service → its image, where the release decides it.
        written: Paths in the bundle that containers may write to, sorted.
        checksum: sha256 over all of it, hex.
    """

    archive: Archive
    override: str
    files: tuple[str, ...]
    env_links: tuple[str, ...]
    data_links: tuple[str, ...]
    services: tuple[str, ...]
    depended_on: tuple[str, ...]
    ports: frozenset[int]
    images: Mapping[str, str]
    written: tuple[str, ...]
    checksum: str

    def files_for(self, env_file: str | None) -> ReleaseFiles:
        """Return what a host gets whose env file has a name."""
        env = tuple((path, env_file) for path in self.env_links) if env_file else ()
        shared = (*env, *((path, f"shared/{path}") for path in self.data_links))
        return ReleaseFiles(self.archive, self.override, shared)

    def checksums(self) -> dict[str, str]:
        """Return the checksum of every file a host gets; what a link takes the place of is not among them."""
        links = (*self.env_links, *self.data_links)
        files = {**self.archive.checksums, OVERRIDE: sha256(self.override.encode())}
        return {
            plain_name(path): checksum
            for path, checksum in sorted(files.items())
            if not any(path == link or path.startswith(f"{link}/") for link in links)
        }

    def links(self) -> dict[str, str]:
        """Return what each symbolic link of the commit leads to; those that a host makes itself are not among them."""
        made = (*self.env_links, *self.data_links)
        return {path: target for path, target in self.archive.links.items() if path not in made}

    def brought(self) -> dict[str, str]:
        """Return files and links alike, each with what tells whether it changed."""
        return bundled(self.checksums(), self.links())


def make_bundle(run: Run, release: Release, sources: Sources) -> Bundle:
    """Cut a release's bundle from its commit."""
    sha, config = release.commit.sha, sources.config
    described, links = sources.described, run.mirror.links(sha)
    spec = bundle_paths(
        config,
        str(sources.render),
        described.tracked,
        described.compose_files,
        lambda path: run.mirror.read_file(sha, path),
        links,
    )
    for path in spec.outside:
        log().info("bundle: %s is not part of the release; the host must have it", path)
    archive = run.mirror.archive(sha, spec.files)
    _refuse_taken_names(archive, sha)
    hashes = {name: archive.fingerprint(name) for name in spec.files}
    images = known_images(release, config, described.fixed_images)
    text = override(config, images, files_labels(config, str(sources.render), hashes, links))
    env_paths = set(spec.env_files)
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
        # One that is written out and whose registry told no digest is known, too.
        images={name: image for name, image in release.third_party.items() if name in described.fixed_images}
        | images,
        written=written_paths(config, str(sources.render), links),
        checksum=hashlib.sha256("".join(sorted(hashes.values())).encode() + text.encode()).hexdigest(),
    )


def _refuse_taken_names(archive: Archive, sha: str) -> None:
    """Refuse what would be lost without a word: a file of the commit in whose place Sluice puts one of its own."""
    roots = {path.partition("/")[0] for path in (*archive.checksums, *archive.links)}
    taken = sorted({OVERRIDE, MANIFEST_FILE, LISTED} & roots)
    if taken:
        raise RefusedError(
            f"{taken[0]} in the root of {sha[:7]} has the name of a file that Sluice keeps beside each release, so it "
            "cannot be brought to the hosts",
            "rename it, or let the compose files name the folders below the root that are needed",
        )


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
        images=dict(bundle.images),
        written=bundle.written,
        bundle_checksum=bundle.checksum,
        checksums=bundle.checksums(),
        links=bundle.links(),
        env_keys=facts.env_keys,
        staged_at=utc_now(),
    )
