"""Taking what an application wrote into its release's folder along into the next release's, right before the switch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.release_data.commands.carry import INSIDE, IS_SETTLED, SETTLED, STOP, as_root, copy, copy_lines
from tasks.release_data.commands.data_roles import judge, named, outdated, role_of
from tasks.release_data.commands.release_data import UP, compare, look, parse_listing, tracked_lines, within
from tasks.release_data.read import read_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.host.app_host import AppHost
    from tasks.kernel.argv import Argv
    from tasks.release_data.commands.data_roles import DataVerdict

# Copying may take long; nothing runs meanwhile, so it is not cut short.
_COPY_SECONDS = 4 * 3600.0


def writers(app: AppHost, containers: Iterable[ContainerFact]) -> tuple[ContainerFact, ...]:
    """Return the running containers that may write into the folder of a release.

    A mount of the folder that leads on to `shared` is none: what is written there is there for every release.
    """
    directory = app.directory
    inside = (f"{directory}/current", f"{directory}/releases")
    found = [
        (one, mount.source)
        for one in containers
        if one.status in UP
        for mount in one.mounts
        if mount.writable and any(within(mount.source, place) for place in inside)
    ]
    if not found:
        return ()
    argv = script(INSIDE, "sluice-inside", directory, *(source for _, source in found))
    told = app.answer(argv).split()
    return tuple({found[int(number)][0].id: found[int(number)][0] for number in told}.values())


def hand_over(
    app: AppHost, containers: tuple[ContainerFact, ...], coming: Manifest, left: Manifest | None
) -> None:
    """Stop what writes into the folder of the release that is left, and copy what the policy says into the next one's.

    What writes there is stopped in any case: a container keeps the folder it was started with, and would go on writing
    into that of a release that is gone. Running it twice is safe: what is copied is copied anew, and nothing that runs
    has the copy yet.

    Args:
        coming: The release that shall run.
        left: The release that ran, to which `current` leads; None where nothing is to be copied, as on the way back
            from a release that failed.

    Raises:
        TerminalError: A container does not stop, the copy failed, or the policy no longer says what becomes of it.
    """
    stopped = writers(app, containers)
    if stopped:
        names = ", ".join(sorted({one.service for one in stopped}))
        log().info("%s: %s are stopped: they write into the folder of a release", app.name, names)
        argv = script(STOP, "sluice-stop", *(one.id for one in stopped))
        _change(app, argv, what=f"{names} cannot be stopped")
    if left is None:
        return
    seen = read_data(app, left, app.containers())
    if seen is None:
        return
    data = _look(app, left, seen, left)
    # Who came since the last look would write into a folder that is left.
    data = data.model_copy(update={"beside": seen.beside, "elsewhere": seen.elsewhere})
    verdict = judge(
        data,
        app.policy.data,
        left.brought,
        coming.brought,
        written=coming.written or (),
    )
    if verdict.refused:
        raise TerminalError(f"up: {app.name}: {'; '.join(verdict.refused)}", "then start again")
    if verdict.left:
        log().info("%s: left behind on purpose in %s: %s", app.name, left.release.id, named(verdict.left))
    _copy(app, coming, left, data, verdict)
    app.host.write_file(
        f"{app.directory}/{SETTLED}/{left.release.id}",
        f"{coming.release.id}\n".encode(),
        fence=app.fence(),
    )


def _copy(app: AppHost, coming: Manifest, left: Manifest, data: ReleaseData, verdict: DataVerdict) -> None:
    roles, directory = app.policy.data, app.directory
    if "carry" not in roles.values():
        return
    there = _look(app, coming, data, left)
    settled = is_settled(app, coming.release.id)
    stale = tuple(path for path in there.added if role_of(path, roles) == "carry")
    carried = (*verdict.carried, *outdated(there, data, roles, left.brought))
    if not (carried or verdict.deleted or stale):
        return
    source, target = app.folder(left.release.id), app.folder(coming.release.id)
    aside = f"{target}.left-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if stale and not settled:
        log().warning(
            "%s: %s has data of its own that was not carried on: moved to %s", app.name, target, aside
        )
    _change(
        app,
        as_root(app.pipeline, directory, source, copy(source, target, aside)),
        what=f"what was written into {source} cannot be copied",
        stdin=_lines(
            app,
            carried=carried,
            deleted=verdict.deleted,
            stale=stale,
            keeps_stale=not settled,
            folders=tuple(path for path in data.folders if role_of(path, roles) == "carry"),
        ),
    )
    log().info("%s: copied from %s: %s", app.name, left.release.id, named(carried) or "nothing")


def _lines(app: AppHost, **what: Any) -> bytes:  # noqa: ANN401 - what `copy_lines` takes
    try:
        return copy_lines(**what)
    except ValueError as error:
        raise TerminalError(
            f"up: {error.args[0]!r} on {app.name} cannot be copied: its name contains a line break or is not UTF-8",
            "give it another name",
        ) from None


def _look(app: AppHost, manifest: Manifest, seen: ReleaseData, left: Manifest) -> ReleaseData:
    """Compare a release's folder with its bundle as root: what the login may not read is known, too."""
    directory, folder = app.directory, app.folder(manifest.release.id)
    sources = [(one.service, f"{folder}/{one.source}") for one in seen.mounts]
    argv = look(folder, dict.fromkeys(source for _, source in sources))
    told = _change(
        app,
        as_root(app.pipeline, directory, app.folder(left.release.id), argv),
        what=f"the content of {folder} cannot be read",
        stdin=tracked_lines(manifest),
    )
    try:
        listing = parse_listing(told)
    except ValueError:
        listing = None
    if listing is None:
        raise TerminalError(
            f"up: the content of {folder} on {app.name} could not be read completely", "check that folder"
        )
    return compare(
        listing, manifest, sources, directory=directory, made=seen.made, apart=tuple(app.policy.data)
    )


def _change(app: AppHost, argv: Argv, *, what: str, stdin: bytes | None = None) -> str:
    result = app.change(argv, seconds=_COPY_SECONDS, stdin=stdin)
    if not result.ok:
        raise TerminalError(f"up: {what} on {app.name}: {result.tail(2)}", "check the host's engine and disk")
    return result.stdout


def is_settled(app: AppHost, release_id: str) -> bool:
    """Say whether a release's data was carried on, or left as the policy says, and nobody wrote there since."""
    argv = script(IS_SETTLED, "sluice-settled", app.directory, release_id)
    return app.ask(argv).ok


def leads_to(app: AppHost, release_id: str) -> bool:
    """Say whether a release is the current one on a host."""
    return app.ask(("readlink", f"{app.directory}/current")).stdout.strip() == f"releases/{release_id}"
