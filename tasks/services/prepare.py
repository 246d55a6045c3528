"""A release's bundle and images on a host, before anything that runs there is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import BackupReceipt, StepReceipt
from tasks.database.backup import take_dump
from tasks.steps.step import fact, step

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from tasks.steps.run import Run
    from tasks.targets.target.protocol import ReleaseFiles


@step("stage", StepReceipt)
def stage(run: Run, *, host: str, manifest: Manifest, files: ReleaseFiles) -> StepReceipt:
    """Put the release's bundle into its own folder on a host.

    Running it twice is safe: the folder appears whole or not at all, and is replaced by an equal one.

    Raises:
        TerminalError: It could not be put in place, or a file, which is named, did not arrive as it is.
    """
    return StepReceipt(text=f"{host}: {run.target(host).put(manifest, files)}")


@step("pull", StepReceipt)
def pull(run: Run, *, host: str, manifest: Manifest, known: StepReceipt | None = None) -> StepReceipt:
    """Pull every image that will be started and is not on the host yet.

    Running it twice is safe: the host is asked first what it has, and no registry is asked for that.

    Args:
        known: What was found out a moment ago under this very lease; it is not found out again. None for nothing.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: An image cannot be pulled; the registry's word is in the message. Nothing was started.
    """
    return known or _pull(run, host, manifest, only_written=False)


@fact("prepare")
def prepare(run: Run, *, host: str, manifest: Manifest, files: ReleaseFiles) -> StepReceipt:
    """Bring the new release's bundle and images to a host, so that its migrations can be asked for and tried.

    Nothing that runs is touched. It leaves no row in the journal. Where people are asked the change does the same
    again, finding it done unless something was cleared away meanwhile, or an image waits for the approvals because the
    host's env file names it; where nobody is asked, it takes the images as pulled.
    Running it twice is safe.

    Returns:
        What `pull` would say.

    Raises:
        TransientError: The registry could not be reached.
        TerminalError: The bundle cannot be put in place, or an image cannot be pulled.
    """
    run.target(host).put(manifest, files)
    return _pull(run, host, manifest, only_written=run.policy.approvals is not None)


def _pull(run: Run, host: str, manifest: Manifest, *, only_written: bool) -> StepReceipt:
    run.target(host).pull(manifest, only_written=only_written)
    return StepReceipt(text=f"{host}: all images are there")


@fact("early dump")
def dump_early(run: Run, *, host: str, name: str) -> BackupReceipt:
    """Dump the database while the plan is made: for a rehearsal, or for a change that nobody is asked about.

    It leaves no row in the journal. Where it is for the change, the change's own step takes it over.
    Running it twice is safe: the younger dump takes the other's place, which may be from before the run was cut.

    Raises:
        TerminalError: The database does not run, the dump failed, or it cannot be read back.
    """
    return take_dump(run, host=host, name=name, anew=True)
