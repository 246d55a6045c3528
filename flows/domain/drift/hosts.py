"""Where a host differs from what the ledger says runs there, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from blocks.values.base import Value
from blocks.values.drift import Difference, HostState, OtherContainer
from blocks.values.manifests import MANIFEST_FILE, Manifest
from blocks.values.releases import Release, Revision
from flows.domain.words.text import one_line

OURS = "sluice-"
MOST_FILES = 20

RELEASE = "release"
IMAGE = "image"
SERVICE = "service"
CONTAINER = "container"
BUNDLE = "bundle"
ENV = "env"
SCHEMA = "schema"
UNREACHABLE = "unreachable"
PROMOTION = "promotion"
PROTECTION = "protection"
RELAXATION = "relaxation"

_MENDS = {
    RELEASE: "promote or roll back {environment}, so that host and ledger agree",
    IMAGE: "promote the release again: it starts what differs",
    SERVICE: "start it, or promote the release again",
    CONTAINER: "remove it (`docker rm -f NAME`), or add it to the compose files",
    BUNDLE: "restore the file, or commit the change and promote it",
    ENV: "correct the env file on the host; what is new in it counts with the next promotion",
    SCHEMA: "undo the change, or make it a migration of a release",
    UNREACHABLE: "see that the host is up; `sluice doctor {environment}` says more",
    PROMOTION: "look at its run and its host, then retry the run or roll {environment} back",
    PROTECTION: "run protect/github with apply, or change pipeline.yaml",
    RELAXATION: "fix what is in the way, or restore the rule on GitHub itself",
}


class Expected(Value):
    """What the ledger says of an environment.

    Attributes:
        revisions: The schema revisions the database may be at; empty: not compared.
    """

    pipeline: str
    release: Release | None
    promotion_id: int | None = None
    required: tuple[str, ...] = ()
    revisions: tuple[str, ...] = ()


def mend(kind: str, environment: str) -> str:
    """Say what a person can do about a difference."""
    return _MENDS.get(kind, "check the host").format(environment=environment)


def heads(revisions: Sequence[Revision]) -> str:
    """Return where a database stands that has all of a release's migrations, as `read host` tells it.

    Returns:
        The revisions nothing follows, sorted, joined by a comma; empty without migrations.
    """
    followed = {down for revision in revisions for down in revision.down}
    return ",".join(sorted(revision.id for revision in revisions if revision.id not in followed))


def find_drift(expected: Expected, state: HostState) -> tuple[Difference, ...]:
    """Compare a host with the ledger."""
    manifest = state.facts.manifest
    found = [*_release(expected, manifest), *_containers(expected, state)]
    if manifest is not None and expected.release is not None:
        found += [
            *_images(manifest, state),
            *_services(manifest, state),
            *_bundle(manifest, state),
            *_keys(expected, manifest, state),
            *_schema(expected, state),
        ]
    host = state.facts.host
    return tuple(Difference(host, kind, one_line(about, 200), detail) for kind, about, detail in found)


Found = Iterator[tuple[str, str, str]]


def _release(expected: Expected, manifest: Manifest | None) -> Found:
    wanted = expected.release
    there = manifest.release if manifest else None
    if (wanted and wanted.id) != (there and there.id):
        says = f"the ledger says that {wanted.id if wanted else 'nothing'} runs"
        yield RELEASE, "current", f"{says}, the host says {there.id if there else 'nothing'}"
    elif wanted is not None and there is not None and wanted.digests != there.digests:
        yield RELEASE, MANIFEST_FILE, f"the digests of {wanted.id} in it are not those of the ledger"


def _images(manifest: Manifest, state: HostState) -> Found:
    wanted = pinned(state.override) or _built(manifest.release)
    for container in state.facts.containers:
        image = wanted.get(container.service)
        if image is not None and container.image != image:
            yield IMAGE, container.service, f"runs {container.image}, the release has {image}"


def _built(release: Release) -> dict[str, str]:
    return {service: image.reference for image in release.images for service in image.services}


def pinned(override: str) -> dict[str, str]:
    """Return the images a generated compose file pins."""
    try:
        read: Any = yaml.safe_load(override.replace("!reset null", "null"))
    except yaml.YAMLError:
        return {}
    services = read.get("services") if isinstance(read, Mapping) else None
    if not isinstance(services, Mapping):
        return {}
    return {
        str(name): str(service["image"]).replace("$$", "$")
        for name, service in services.items()
        if isinstance(service, Mapping) and service.get("image")
    }


def _services(manifest: Manifest, state: HostState) -> Found:
    for service in manifest.services:
        own = [one for one in state.facts.containers if one.service == service]
        if not own:
            yield SERVICE, service, "has no container"
        # One that ended well may be a job that is done.
        elif not any(one.status == "running" or one.exit_code == 0 for one in own):
            yield SERVICE, service, f"is {own[0].status} (exit status {own[0].exit_code})"


def _containers(expected: Expected, state: HostState) -> Found:
    manifest = state.facts.manifest
    known = frozenset(manifest.services if manifest else ())
    repositories = {image.repository for image in expected.release.images} if expected.release else set()
    for one in state.containers:
        if not one.running or one.name.startswith(OURS):
            continue
        why = _stranger(expected.pipeline, one, known, repositories)
        if why:
            yield CONTAINER, one.name, f"{why}; its image is {one.image}"


def _stranger(pipeline: str, one: OtherContainer, known: frozenset[str], repositories: set[str]) -> str:
    """Say why a container does not belong here; empty where it does, or is none of ours."""
    if one.project == pipeline:
        if one.one_off:
            return "was started by hand with `compose run`"
        return "" if one.service in known else f"is of service {one.service}, which the release does not have"
    if one.project:
        return ""
    if any(name.startswith(f"{pipeline}_") for name in one.networks):
        return "was started by hand on the application's network"
    repository = one.image.partition("@")[0]
    if {repository, repository.rpartition(":")[0]} & repositories:
        return "was started by hand from an image of the application"
    return ""


def _bundle(manifest: Manifest, state: HostState) -> Found:
    if not manifest.checksums:
        return
    wanted, there = manifest.checksums, state.files
    changed = [(path, "was changed by hand") for path in sorted(wanted.keys() & there.keys())]
    found = [(path, why) for path, why in changed if wanted[path] != there[path]]
    found += [(path, "is missing, or cannot be read") for path in sorted(wanted.keys() - there.keys())]
    found += [(path, "is no part of the bundle") for path in sorted(there.keys() - wanted.keys())]
    for path, why in found[:MOST_FILES]:
        yield BUNDLE, path, why
    if len(found) > MOST_FILES:
        yield BUNDLE, "…", f"{len(found) - MOST_FILES} more files differ"


def _keys(expected: Expected, manifest: Manifest, state: HostState) -> Found:
    file, present = state.facts.env_file, set(state.facts.env_keys)
    if file is None:
        if manifest.env_file is not None:
            yield ENV, manifest.env_file, "is gone"
        return
    for key in sorted(set(expected.required) - present):
        yield ENV, key, f"is required, and {file} lacks it"
    # A bundle that was put there by an earlier promotion says nothing about the time since.
    if manifest.env_keys and manifest.promotion_id == expected.promotion_id:
        before = set(manifest.env_keys)
        for key in sorted(before - present - set(expected.required)):
            yield ENV, key, f"was in {file} at the promotion, and is gone"
        for key in sorted(present - before):
            yield ENV, key, f"came into {file} after the promotion"


def _schema(expected: Expected, state: HostState) -> Found:
    facts = state.facts
    if not expected.revisions or not facts.database_running:
        return
    if facts.revision not in expected.revisions:
        wanted = " or ".join(expected.revisions)
        yield SCHEMA, "database", f"stands at revision {facts.revision or 'none'}, expected {wanted}"
