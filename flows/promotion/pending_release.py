"""From a commit to a release: the one the ledger has, or images from the registry, or a build."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from prefect.futures import wait

from blocks.values.releases import Image, Release
from flows.domain.compose.override import third_party_images
from flows.domain.words.names import image_labels, image_tags, release_id
from tasks.images.build import build, find_images, list_revisions, push, repository_of
from tasks.images.commands.bake import BuildTarget, group_targets
from tasks.images.confined import confined
from tasks.images.pin import pin_images
from tasks.kernel.clock import utc_now
from tasks.steps.run import Run
from tasks.steps.step import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prefect.futures import PrefectFuture

    from blocks.values.receipts import PushReceipt
    from blocks.values.releases import Revision
    from blocks.values.resolved import Resolved
    from tasks.images.sources import Sources

# Beside other work on the same machine a push takes two to three times as long, and most of what follows waits for it.
# One that is not over by then waits for the network, which nothing else here takes from it.
_HEAD_START_SECONDS = 0.3


@dataclass
class PendingRelease:
    """A release whose images may still be pushed, and whose new image may still list its migrations.

    Attributes:
        built: True when images of it were just built: it cannot be what runs.
    """

    run: Run
    release_id: str
    built: bool
    _once_pushed: Callable[[], Release]
    _new: bool = False
    _list: Callable[[], PrefectFuture[tuple[Revision, ...]]] | None = None
    _listing: PrefectFuture[tuple[Revision, ...]] | None = None
    _pushing: Sequence[PrefectFuture[PushReceipt]] = ()
    _begun: Sequence[PrefectFuture[Any]] = ()

    @classmethod
    def recorded(cls, run: Run, release: Release) -> PendingRelease:
        """Return a release that the ledger has: there is nothing to wait for."""
        return cls(run, release.id, built=False, _once_pushed=lambda: release)

    @cached_property
    def release(self) -> Release:
        """The release once its images are in the registry: all of it, or all but its migrations."""
        return self._once_pushed()

    def finish(self, listed: Callable[[], tuple[Revision, ...] | None]) -> Release:
        """Wait for the migrations too, and record the release.

        Args:
            listed: What waits for the migrations that the image lists elsewhere; None where it does not.
        """
        release = self.release
        if not self._new:
            return release
        revisions: tuple[Revision, ...] | None = ()
        if self._list is not None:
            revisions = listed()
            if revisions is None:
                self._listing = self._listing or self._list()
                revisions = self._listing.result()
        return self.run.ledger.releases.record(release.model_copy(update={"revisions": revisions}))

    def let_pushes_go_first(self) -> None:
        """Wait until all images are pushed, but no longer than a moment."""
        _wait_a_moment(self._pushing)

    def settle(self) -> None:
        """Wait for all that was begun, whatever came of it: nothing outlives its flow."""
        wait(list(self._begun))


def begin_release(run: Run, resolved: Resolved, sources: Sources, *, lists: bool = True) -> PendingRelease:
    """Build what the registry does not have; begin to push it, and to ask the new image for its migrations.

    Args:
        lists: False to ask for the migrations only in `finish`, where nothing else listed them meanwhile.
    """
    sha = resolved.commit.sha
    targets = group_targets(sources.bake, sources.config)
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
    pushing = _begin_pushes(run, targets, found, resolved)
    ask = _listing_of(run, targets, sources)
    listing = None
    if lists and ask is not None:
        _wait_a_moment(pushing.values())
        listing = ask()

    def once_pushed() -> Release:
        digests = {**found, **{name: future.result().digest for name, future in pushing.items()}}
        pins = pinning.result()
        return Release(
            id=release_id(resolved.commit),
            pipeline=run.pipeline,
            commit=resolved.commit,
            images=tuple(
                Image(
                    target=target.name,
                    repository=repository_of(run, target),
                    digest=digests[target.name],
                    services=target.services,
                )
                for target in targets
            ),
            third_party={
                name: pins.get(image, image) if name in sources.described.fixed_images else image
                for name, image in others.items()
            },
            bundle_checksum=resolved.tree,
            created_at=utc_now(),
        )

    return PendingRelease(
        run,
        release_id(resolved.commit),
        built=bool(missing),
        _once_pushed=once_pushed,
        _new=True,
        _list=ask,
        _listing=listing,
        _pushing=tuple(pushing.values()),
        _begun=(pinning, *pushing.values(), *([listing] if listing else [])),
    )


def _begin_pushes(
    run: Run, targets: tuple[BuildTarget, ...], found: Mapping[str, str], resolved: Resolved
) -> dict[str, PrefectFuture[PushReceipt]]:
    tags = image_tags(resolved.commit.sha, resolved.kind, resolved.name)
    # A run that was killed between a push and its receipt writes the receipt now.
    cut = {row.host for row in run.ledger.steps.of(run.promotion_id) if row.name == "push"}
    return {
        target.name: push.submit(run, target=target.name, repository=repository_of(run, target), tags=tags)
        for target in targets
        if target.name not in found or target.name in cut
    }


def _wait_a_moment(pushes: Iterable[PrefectFuture[PushReceipt]]) -> None:
    until = time.monotonic() + _HEAD_START_SECONDS
    for one in pushes:
        one.wait(timeout=max(0.0, until - time.monotonic()))


def _listing_of(
    run: Run, targets: tuple[BuildTarget, ...], sources: Sources
) -> Callable[[], PrefectFuture[tuple[Revision, ...]]] | None:
    migration = run.description.migration
    if migration is None or migration.alembic is None:
        return None
    owner = next((target for target in targets if migration.service in target.services), None)
    if owner is None:
        log().warning("service %s is not built here, so its migrations are not listed", migration.service)
        return None
    image = f"{repository_of(run, owner)}:{sources.described.sha}"
    return partial(list_revisions.submit, run, service=confined(sources, migration.service, image=image))
