"""Taking what an application wrote into its release's folder along into the next release's, right before the switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.host.read import QUICK, answer_of, read_containers
from tasks.host.scripts import script
from tasks.kernel.errors import TerminalError
from tasks.kernel.logs import log
from tasks.kernel.protocols import Call
from tasks.release_data.commands.carry import INSIDE, IS_SETTLED, SETTLED, STOP, as_root, copy, copy_lines
from tasks.release_data.commands.data_roles import judge, named, outdated, role_of
from tasks.release_data.commands.release_data import UP, compare, look, parse_listing, tracked_lines, within
from tasks.release_data.read import read_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blocks.values.facts import ContainerFact
    from blocks.values.manifests import Manifest
    from blocks.values.release_data import ReleaseData
    from tasks.kernel.argv import Argv
    from tasks.release_data.commands.data_roles import DataVerdict
    from tasks.steps.site import Site

# Copying may take long; nothing runs meanwhile, so it is not cut short.
_COPY_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Handover:
    """One release's place taken by another one.

    Attributes:
        left: The release that ran.
        coming: The release that shall run.
    """

    left: Manifest
    coming: Manifest


def writers(site: Site, host: str, containers: Iterable[ContainerFact]) -> tuple[ContainerFact, ...]:
    """Return the running containers that may write into the folder of a release.

    A mount of the folder that leads on to `shared` is none: what is written there is there for every release.
    """
    directory = site.directories[host]
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
    told = answer_of(site.hosts[host], argv).split()
    return tuple({found[int(number)][0].id: found[int(number)][0] for number in told}.values())


def hand_over(
    site: Site, host: str, containers: tuple[ContainerFact, ...], handover: Handover | None
) -> None:
    """Stop what writes into the folder of the release that is left, and copy what the policy says into the next one's.

    What writes there is stopped in any case: a container keeps the folder it was started with, and would go on writing
    into that of a release that is gone. Running it twice is safe: what is copied is copied anew, and nothing that runs
    has the copy yet.

    Args:
        site: The environment, its change allowed; `current` leads to the release that is left.
        handover: The releases; None where nothing is to be copied, as on the way back from a release that failed.

    Raises:
        TerminalError: A container does not stop, the copy failed, or the policy no longer says what becomes of it.
    """
    stopped = writers(site, host, containers)
    if stopped:
        names = ", ".join(sorted({one.service for one in stopped}))
        log().info("%s: %s are stopped: they write into the folder of a release", host, names)
        argv = script(STOP, "sluice-stop", *(one.id for one in stopped))
        _change(site, host, argv, what=f"{names} cannot be stopped")
    if handover is None:
        return
    seen = read_data(site, host, handover.left, read_containers(site.hosts[host], site.pipeline))
    if seen is None:
        return
    data = _look(site, host, handover.left, seen, handover.left)
    # Who came since the last look would write into a folder that is left.
    data = data.model_copy(update={"beside": seen.beside, "elsewhere": seen.elsewhere})
    verdict = judge(
        data,
        site.policy.data,
        handover.left.brought,
        handover.coming.brought,
        written=handover.coming.written or (),
    )
    if verdict.refused:
        raise TerminalError(f"up: {host}: {'; '.join(verdict.refused)}", "then start again")
    if verdict.left:
        log().info(
            "%s: left behind on purpose in %s: %s", host, handover.left.release.id, named(verdict.left)
        )
    _copy(site, host, handover, data, verdict)
    site.hosts[host].write_file(
        f"{site.directories[host]}/{SETTLED}/{handover.left.release.id}",
        f"{handover.coming.release.id}\n".encode(),
        fence=site.fence(host),
    )


def _copy(site: Site, host: str, handover: Handover, data: ReleaseData, verdict: DataVerdict) -> None:
    roles, directory = site.policy.data, site.directories[host]
    if "carry" not in roles.values():
        return
    there = _look(site, host, handover.coming, data, handover.left)
    settled = is_settled(site, host, handover.coming.release.id)
    stale = tuple(path for path in there.added if role_of(path, roles) == "carry")
    carried = (*verdict.carried, *outdated(there, data, roles, handover.left.brought))
    if not (carried or verdict.deleted or stale):
        return
    source, target = (f"{directory}/releases/{one.release.id}" for one in (handover.left, handover.coming))
    aside = f"{target}.left-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if stale and not settled:
        log().warning("%s: %s has data of its own that was not carried on: moved to %s", host, target, aside)
    _change(
        site,
        host,
        as_root(site.pipeline, directory, source, copy(source, target, aside)),
        what=f"what was written into {source} cannot be copied",
        stdin=_lines(
            host,
            carried=carried,
            deleted=verdict.deleted,
            stale=stale,
            keeps_stale=not settled,
            folders=tuple(path for path in data.folders if role_of(path, roles) == "carry"),
        ),
    )
    log().info("%s: copied from %s: %s", host, handover.left.release.id, named(carried) or "nothing")


def _lines(host: str, **what: Any) -> bytes:  # noqa: ANN401 - what `copy_lines` takes
    try:
        return copy_lines(**what)
    except ValueError as error:
        raise TerminalError(
            f"up: {error.args[0]!r} on {host} cannot be copied: its name contains a line break or is not UTF-8",
            "give it another name",
        ) from None


def _look(site: Site, host: str, manifest: Manifest, seen: ReleaseData, left: Manifest) -> ReleaseData:
    """Compare a release's folder with its bundle as root: what the login may not read is known, too."""
    directory = site.directories[host]
    folder = f"{directory}/releases/{manifest.release.id}"
    sources = [(one.service, f"{folder}/{one.source}") for one in seen.mounts]
    argv = look(folder, dict.fromkeys(source for _, source in sources))
    told = _change(
        site,
        host,
        as_root(site.pipeline, directory, f"{directory}/releases/{left.release.id}", argv),
        what=f"the content of {folder} cannot be read",
        stdin=tracked_lines(manifest),
    )
    try:
        listing = parse_listing(told)
    except ValueError:
        listing = None
    if listing is None:
        raise TerminalError(
            f"up: the content of {folder} on {host} could not be read completely", "check that folder"
        )
    return compare(
        listing, manifest, sources, directory=directory, made=seen.made, apart=tuple(site.policy.data)
    )


def _change(site: Site, host: str, argv: Argv, *, what: str, stdin: bytes | None = None) -> str:
    result = site.hosts[host].run(site.change(host, argv, seconds=_COPY_SECONDS, stdin=stdin))
    if not result.ok:
        raise TerminalError(f"up: {what} on {host}: {result.tail(2)}", "check the host's engine and disk")
    return result.stdout


def is_settled(site: Site, host: str, release_id: str) -> bool:
    """Say whether a release's data was carried on, or left as the policy says, and nobody wrote there since."""
    argv = script(IS_SETTLED, "sluice-settled", site.directories[host], release_id)
    return site.hosts[host].run(Call(argv=argv, limits=QUICK)).ok


def leads_to(site: Site, host: str, release_id: str) -> bool:
    """Say whether a release is the current one on a host."""
    link = ("readlink", f"{site.directories[host]}/current")
    return site.hosts[host].run(Call(argv=link, limits=QUICK)).stdout.strip() == f"releases/{release_id}"
