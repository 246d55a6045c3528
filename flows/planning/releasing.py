"""From a commit to a release: the one the ledger has, or images from the registry, or a build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from blocks.values.releases import Image, Release
from flows.domain.compose import third_party_images
from flows.domain.naming import image_labels, image_tags, release_id
from tasks.build import build, find_images, list_revisions, push, repository_of
from tasks.commands.bake import BuildTarget, group_targets
from tasks.pin import pin_images
from tasks.run import Run, utc_now
from tasks.step import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefect.futures import PrefectFuture

    from blocks.values.receipts import PushReceipt
    from blocks.values.releases import Revision
    from blocks.values.resolved import Resolved
    from tasks.sources import Sources


def make_release(run: Run, resolved: Resolved, sources: Sources) -> Release:
    """Build and push what the registry does not have, and record the release.

    Args:
        run: The promotion.
        resolved: The commit.
        sources: Its files.

    Returns:
        The release, as the ledger has it.

    Raises:
        TerminalError: The build or the push failed.
    """
    sha = resolved.commit.sha
    targets = group_targets(sources.bake, json.dumps(sources.config))
    others = third_party_images(sources.config, {name for target in targets for name in target.services})
    # Beside the build: registries elsewhere may be slow, or not there.
    fixed = {image for name, image in others.items() if name in sources.described.fixed_images}
    pinning = pin_images.submit(run, references=tuple(sorted(fixed)))
    found = find_images(run, targets=targets, sha=sha) if targets else {}
    missing = tuple(target for target in targets if target.name not in found)
    if missing:
        log().info("building %s", ", ".join(target.name for target in missing))
        labels = image_labels(resolved.commit, run.mirror.public_url)
        build(run, sources=sources, targets=missing, labels=labels)
    elif targets:
        log().info("the registry has every image of %s; nothing is built", resolved.commit.short)
    digests, revisions = _push_and_ask(run, targets, found, resolved)
    images = tuple(
        Image(
            target=target.name,
            repository=repository_of(run, target),
            digest=digests[target.name],
            services=target.services,
        )
        for target in targets
    )
    pins = pinning.result()
    release = Release(
        id=release_id(resolved.commit),
        pipeline=run.pipeline,
        commit=resolved.commit,
        images=images,
        third_party={
            name: pins.get(image, image) if name in sources.described.fixed_images else image
            for name, image in others.items()
        },
        revisions=revisions,
        bundle_checksum=resolved.tree,
        created_at=utc_now(),
    )
    return run.ledger.releases.record(release)


def _push_and_ask(
    run: Run, targets: tuple[BuildTarget, ...], found: Mapping[str, str], resolved: Resolved
) -> tuple[dict[str, str], tuple[Revision, ...]]:
    """Push the new images side by side, while the one with the migrations is asked for them."""
    tags = image_tags(resolved.commit.sha, resolved.kind, resolved.name)
    # A run that was killed between a push and its receipt writes the receipt now.
    cut = {row.host for row in run.ledger.steps.of(run.promotion_id) if row.name == "push"}
    pushing: dict[str, PrefectFuture[PushReceipt]] = {
        target.name: push.submit(run, target=target.name, repository=repository_of(run, target), tags=tags)
        for target in targets
        if target.name not in found or target.name in cut
    }
    revisions = _revisions(run, targets, resolved.commit.sha)
    digests = dict(found)
    digests.update({name: future.result().digest for name, future in pushing.items()})
    return digests, revisions


def _revisions(run: Run, targets: tuple[BuildTarget, ...], sha: str) -> tuple[Revision, ...]:
    migration = run.description.migration
    if migration is None or migration.alembic is None:
        return ()
    owner = next((target for target in targets if migration.service in target.services), None)
    if owner is None:
        log().warning("service %s is not built here, so its migrations are not listed", migration.service)
        return ()
    return list_revisions(run, image=f"{repository_of(run, owner)}:{sha}")
