"""The release's bundle on a host: put in place beside the ones before it, touching none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.manifests import MANIFEST_FILE
from tasks.host.files import link_shared
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.release_data.commands.carry import KEEP_SETTLED
from tasks.targets.compose.old_releases import make_room, unpack_over
from tasks.targets.target.protocol import OVERRIDE

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.host.app_host import AppHost
    from tasks.targets.target.protocol import ReleaseFiles


def put_bundle(app: AppHost, manifest: Manifest, files: ReleaseFiles) -> str:
    """Unpack a bundle; the folder appears whole or not at all, and is replaced by an equal one.

    Returns:
        The folder.

    Raises:
        TerminalError: The bundle could not be put in place, or a file, which is named, did not arrive as it is.
    """
    directory, folder = app.directory, app.folder(manifest.release.id)
    whole = files.archive.with_files(
        {OVERRIDE: files.override.encode(), MANIFEST_FILE: manifest.to_json().encode()}
    )
    over = make_room(app, manifest, whole)
    if over is None:
        app.host.unpack(whole, folder, fence=app.fence())
    else:
        unpack_over(app, over, folder)
    links = tuple(pair for pair in files.shared if over is None or not over.keeps(pair[0]))
    if links:
        linked = app.change(link_shared(directory, folder, links), seconds=60)
        if not linked.ok:
            raise TerminalError(
                f"stage: {folder} on {app.name} could not be completed: {linked.tail(2)}",
                "check the permissions of that directory, then retry this run",
            )
    if over is not None:
        app.change(script(KEEP_SETTLED, "sluice-keep-settled", directory, manifest.release.id), seconds=60)
    log().info("%s: bundle of %s in place", app.name, manifest.release.id)
    return folder
