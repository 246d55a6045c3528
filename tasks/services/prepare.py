"""What the plan needs on a host before anybody is asked: the release's bundle and images beside those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import BackupReceipt, StepReceipt
from tasks.database.backup import take_dump
from tasks.services.pull import pull_images
from tasks.services.stage import put_bundle
from tasks.steps.run import Run
from tasks.steps.step import fact

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.host.compose import ComposeProject
    from tasks.kernel.archive import Archive


@fact("prepare")
def prepare(
    run: Run,
    *,
    host: str,
    manifest: Manifest,
    archive: Archive,
    override: str,
    shared: tuple[tuple[str, str], ...],
    project: ComposeProject,
) -> StepReceipt:
    """Bring the new release's bundle and images to a host, so that its migrations can be asked for and tried.

    Nothing that runs is touched. It leaves no row in the journal. Where people are asked the change does the same
    again, finding it done unless something was cleared away meanwhile, or an image waits for the approvals because the
    host's env file names it; where nobody is asked, it takes the images as pulled.
    Running it twice is safe.

    Args:
        run: The promotion, holding the lease.
        manifest: What the host shall remember of the release.
        archive: The bundle's files from the commit.
        override: The text of the generated compose file.
        shared: Pairs of a path within the bundle and what it links to.
        project: The compose project on the new release's bundle.

    Returns:
        What `pull` would say.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: The bundle cannot be put in place, or an image cannot be pulled.
    """
    put_bundle(run, host=host, manifest=manifest, archive=archive, override=override, shared=shared)
    asks = run.policy.approvals is not None
    return pull_images(run, host=host, project=project, manifest=manifest, only_written=asks)


@fact("early dump")
def dump_early(run: Run, *, host: str, name: str) -> BackupReceipt:
    """Dump the database while the plan is made: for a rehearsal, or for a change that nobody is asked about.

    It leaves no row in the journal. Where it is for the change, the change's own step takes it over.
    Running it twice is safe: the younger dump takes the other's place, which may be from before the run was cut.

    Args:
        run: The promotion, holding the lease.
        host: The host that keeps the database.

    Returns:
        Where the dump is.

    Raises:
        TerminalError: The database does not run, the dump failed, or it cannot be read back.
    """
    return take_dump(run, host=host, name=name, anew=True)
