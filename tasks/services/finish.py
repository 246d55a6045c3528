"""After the switch: names for what runs, and room for what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt
from tasks.database.backup import prune_backups
from tasks.kernel.errors import SluiceError
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.values.releases import Release
    from tasks.steps.run import Run


@step("tag", StepReceipt)
def tag(run: Run, *, release: Release, tags: tuple[str, ...]) -> StepReceipt:
    """Give the release's digests readable names in the registry: the environment, and the ref promoted.

    Running it twice is safe: a tag points where it points. Nothing is ever started by these names.
    """
    for image in release.images:
        for name in tags:
            run.registry.tag(image.repository, image.digest, name)
    return StepReceipt(text=f"{len(release.images)} images tagged {', '.join(tags)}")


@step("prune", StepReceipt)
def prune(
    run: Run, *, keep: tuple[str, ...], digests: tuple[str, ...], repositories: tuple[str, ...]
) -> StepReceipt:
    """Remove bundles, images and dumps beyond those that are kept. What fails here is logged, and stops nothing.

    A bundle's folder that holds what an application wrote, and nobody carried on or agreed to leave, stays.

    Running it twice is safe: what is gone is gone.

    Args:
        digests: The digests of their images.
    """
    removed: list[str] = []
    for name in run.hosts:
        try:
            removed += run.target(name).prune(keep, digests=digests, repositories=repositories)
        except SluiceError as error:
            log().warning("prune: %s: %s", name, error)
    try:
        prune_backups(run, run.primary)
    except SluiceError as error:
        log().warning("prune: dumps on %s: %s", run.primary, error)
    return StepReceipt(
        text=f"removed {len(removed)}: {', '.join(removed)[:400]}" if removed else "nothing to remove"
    )
