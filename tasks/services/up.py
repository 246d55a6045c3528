"""Starting a release on a host, and starting the one before it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.receipts import StepReceipt, UpReceipt
from tasks.host.read import await_containers
from tasks.services.start import start
from tasks.steps.step import step

if TYPE_CHECKING:
    from tasks.host.compose import ComposeProject
    from tasks.release_data.carry import Handover
    from tasks.steps.run import Run


@step("up", UpReceipt)
def up(
    run: Run,
    *,
    host: str,
    release_id: str,
    project: ComposeProject,
    services: tuple[str, ...],
    depended_on: tuple[str, ...] = (),
    handover: Handover | None = None,
) -> UpReceipt:
    """Switch a host to a release: make its bundle current and start what changed.

    Running it twice is safe: compose starts only what does not run as described, and what an earlier try left half
    replaced is put right first.

    Args:
        project: The compose project on the current bundle.
        services: The services that must run afterwards.
        depended_on: Those of them that others need to run; none where that is not known.
        handover: Whose data goes along; None for nobody's.

    Raises:
        TerminalError: The data could not be carried over, or a service did not become healthy, ended, or restarts
            again and again.
    """
    return start(
        run,
        host=host,
        release_id=release_id,
        project=project,
        services=services,
        depended_on=depended_on,
        handover=handover,
    )


@step("restore", UpReceipt)
def restore(
    run: Run,
    *,
    host: str,
    release_id: str,
    project: ComposeProject,
    services: tuple[str, ...],
    depended_on: tuple[str, ...] = (),
) -> UpReceipt:
    """Start the release that ran before again, after the new one failed.

    Running it twice is safe, like `up`.

    Args:
        release_id: The release that ran before.
        project: The compose project on the current bundle, with that release's files.
        services: The services that must run afterwards.
        depended_on: Those of them that others need to run; none where that is not known.

    Raises:
        TerminalError: It does not come up either.
    """
    # What failed may have been the engine, which is on its way back.
    await_containers(run.hosts[host], run.pipeline)
    return start(
        run, host=host, release_id=release_id, project=project, services=services, depended_on=depended_on
    )


@step("stop", StepReceipt)
def stop(run: Run, *, host: str, project: ComposeProject) -> StepReceipt:
    """Stop a release that failed where nothing ran before. Containers and volumes stay for a look.

    Running it twice is safe: what is stopped stays stopped.

    Args:
        project: The compose project on the current bundle.

    Returns:
        A line that says so.
    """
    result = run.hosts[host].run(run.change(host, project.argv("stop"), seconds=run.policy.timeouts.up))
    unlink = ("rm", "-f", f"{run.directories[host]}/current")
    run.hosts[host].run(run.change(host, unlink, seconds=60))
    return StepReceipt(text=f"{host}: stopped" if result.ok else f"{host}: {result.tail(1)}")
