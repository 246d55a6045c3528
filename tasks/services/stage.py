"""The release's bundle on a host: put in place beside the ones before it, touching none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.manifests import MANIFEST_FILE
from blocks.values.receipts import StepReceipt
from tasks.host.files import link_shared
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.release_data.commands.carry import KEEP_SETTLED
from tasks.services.old_releases import make_room, unpack_over
from tasks.steps.step import log, step

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.kernel.archive import Archive
    from tasks.steps.run import Run

OVERRIDE = "sluice.override.yaml"


@step("stage", StepReceipt)
def stage(
    run: Run,
    *,
    host: str,
    manifest: Manifest,
    archive: Archive,
    override: str,
    shared: tuple[tuple[str, str], ...],
) -> StepReceipt:
    """Unpack the release's bundle into its own folder on a host.

    Running it twice is safe: the folder appears whole or not at all, and is replaced by an equal one.

    Args:
        manifest: What the host shall remember of the release.
        archive: The bundle's files from the commit.
        override: The text of the generated compose file.
        shared: Pairs of a path within the bundle and what it links to, relative to the application's directory:
            env files and data folders that are not part of a release.

    Returns:
        A line that says where.
    """
    return put_bundle(run, host=host, manifest=manifest, archive=archive, override=override, shared=shared)


def put_bundle(
    run: Run,
    *,
    host: str,
    manifest: Manifest,
    archive: Archive,
    override: str,
    shared: tuple[tuple[str, str], ...],
) -> StepReceipt:
    """Unpack a bundle under the lease that is held; `stage` is the same as a step of the journal.

    Args:
        manifest: What the host shall remember of the release.
        archive: The bundle's files from the commit.
        override: The text of the generated compose file.
        shared: Pairs of a path within the bundle and what it links to.

    Returns:
        A line that says where.

    Raises:
        TerminalError: The bundle could not be put in place, or a file, which is named, did not arrive as it is.
    """
    there, directory = run.hosts[host], run.directories[host]
    files = {OVERRIDE: override.encode(), MANIFEST_FILE: manifest.to_json().encode()}
    folder = f"{directory}/releases/{manifest.release.id}"
    whole = archive.with_files(files)
    over = make_room(run, host, manifest, whole)
    if over is None:
        there.unpack(whole, folder, fence=run.fence(host))
    else:
        unpack_over(run, host, over, folder)
    links = tuple(pair for pair in shared if over is None or not over.keeps(pair[0]))
    if links:
        linked = there.run(run.change(host, link_shared(directory, folder, links), seconds=60))
        if not linked.ok:
            raise TerminalError(
                f"stage: {folder} on {host} could not be completed: {linked.tail(2)}",
                "check the permissions of that directory, then retry this run",
            )
    if over is not None:
        argv = script(KEEP_SETTLED, "sluice-keep-settled", directory, manifest.release.id)
        there.run(run.change(host, argv, seconds=60))
    log().info("%s: bundle of %s in place", host, manifest.release.id)
    return StepReceipt(text=f"{host}: {folder}")
