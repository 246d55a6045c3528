"""What hosts remember by themselves, for when they alone are left to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.values.offline import LIVE_FILE
from tasks.host.files import missing_images
from tasks.host.host_facts import IN_SERVICE, SCHEMA_FACTS, parse_schema
from tasks.host.read import QUICK
from tasks.host.scripts import EXIT_MISSING, script
from tasks.kernel.errors import TerminalError
from tasks.kernel.lines import lines
from tasks.kernel.protocols import Call
from tasks.services.commands.offline import parse_survey, remember, survey

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from blocks.values.offline import HostMemory, LiveRelease
    from tasks.steps.site import Site


def read_memory(site: Site, host: str) -> HostMemory:
    """Read all that a host remembers of the application, in one round trip.

    Returns:
        Its releases, those that ran, and its fence.

    Raises:
        TransientError: The host does not answer.
        TerminalError: It knows nothing of the application.
    """
    directory = site.directories[host]
    result = site.hosts[host].run(Call(argv=survey(directory), limits=QUICK))
    if result.exit_code == EXIT_MISSING:
        raise TerminalError(f"there is no folder {directory} on {host}", "nothing was ever promoted there")
    if not result.ok:
        raise TerminalError(f"{directory} on {host} cannot be read", "check it there", result.tail())
    return parse_survey(result.stdout)


def read_live(site: Site, host: str) -> tuple[LiveRelease, ...]:
    """Read the releases that ran on a host, oldest first; what cannot be read is left out."""
    text = site.hosts[host].read_file(f"{site.directories[host]}/{LIVE_FILE}") or b""
    told = lines(text.decode("utf-8", "replace"))
    return parse_survey("".join(f"live={line}\n" for line in told)).live


def read_applied(site: Site, host: str) -> tuple[str, ...] | None:
    """Ask the database which migrations it stands at.

    Args:
        host: The host that keeps the database.

    Returns:
        The revisions, sorted; None where the database does not answer or keeps none in Alembic's way.
    """
    backup = site.policy.backup
    if backup is None or backup.command is not None:
        return None
    inside = ("sh", "-c", SCHEMA_FACTS, "sluice", backup.user or "", backup.database or "")
    argv = script(IN_SERVICE, "sluice-service", site.pipeline, backup.service, *inside)
    result = site.hosts[host].run(Call(argv=argv, limits=QUICK))
    revision, _ = parse_schema(result.stdout) if result.ok else (None, None)
    return tuple(revision.split(",")) if revision else None


def read_missing_images(site: Site, host: str, manifest: Manifest) -> tuple[str, ...]:
    """Say which of a release's images a host no longer has.

    Args:
        manifest: What the host remembers of the release.

    Returns:
        Their references, sorted.
    """
    ours = {image.reference for image in manifest.release.images if {*image.services} & {*manifest.services}}
    others = {
        reference
        for service, reference in manifest.release.third_party.items()
        if service in manifest.services
    }
    result = site.hosts[host].run(Call(argv=missing_images(ours | others), limits=QUICK))
    return tuple(sorted(result.stdout.split()))


def append_live(site: Site, host: str, live: tuple[LiveRelease, ...]) -> None:
    """Add the newest of the releases that ran to what a host remembers.

    Args:
        site: The environment, its change allowed.
        live: The releases that ran, oldest first; the last is the one to add.

    Raises:
        TransientError: The host does not answer.
        TerminalError: It could not be written.
    """
    known = site.hosts[host].read_file(f"{site.directories[host]}/{LIVE_FILE}")
    newest = live[-1]
    if (
        known
        and newest.promotion_id is not None
        and f'"promotion_id":{newest.promotion_id},' in known.decode("utf-8", "replace")
    ):
        return
    lines = live[-1:] if known else live
    text = "".join(f"{one.to_json()}\n" for one in lines)
    argv = remember(site.directories[host])
    result = site.hosts[host].run(site.change(host, argv, seconds=60, stdin=text.encode()))
    if not result.ok:
        raise TerminalError(f"{LIVE_FILE} could not be written: {result.tail(1)}", "is the disk full?")
