"""The rollback without server and ledger itself: fence, switch, smoke; back again when it fails; the record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from blocks.values.offline import OFFLINE_FOLDER, LiveRelease, OfflineRollback
from flows.promotion.release_data import handover_of
from tasks.kernel.errors import FencedError, SluiceError, TerminalError, unexpected
from tasks.kernel.logs import log
from tasks.kernel.protocols import Fence
from tasks.kernel.redact import process_redactor
from tasks.services.checks import check_all
from tasks.services.memory import append_live
from tasks.services.start import start

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from flows.rollback.offline_hosts import Readied
    from tasks.release_data.carry import Handover

Tell = Callable[[str], None]


def go_back(readied: Readied, tell: Tell) -> OfflineRollback:
    """Go back, and write down on the hosts what was done.

    Args:
        readied: What is to be done.
        tell: Told each step in a line.

    Returns:
        What was done. A failure is an outcome here: what ran before runs again, or a person is needed.
    """
    started, site = datetime.now(UTC), readied.site
    # Higher than any that a dead control plane could still act with; the next lease of the ledger is higher again.
    site.token = max(int(started.timestamp()), *(one.fence + 1 for one in readied.memories.values()))
    begun: list[str] = []
    try:
        _forward(readied, begun, tell)
        release, passed = (
            readied.target.release.id,
            "its smoke checks passed" if site.policy.smoke else "unchecked",
        )
        outcome, message = Status.SUCCEEDED, f"{release} runs in {site.environment}; {passed}"
    except FencedError as error:
        outcome, message = Status.ABANDONED, str(error)
    except SluiceError as error:
        outcome, message = _recover(readied, begun, error, tell)
    except Exception as error:  # noqa: BLE001 - whatever it is, the environment must not stay half-changed
        log().exception("unexpected failure")
        outcome, message = _recover(readied, begun, unexpected(error), tell)
    record = _record_of(readied, started, outcome, process_redactor().text(message)[:2000])
    _write_down(readied, record, tell)
    return record


def _forward(readied: Readied, begun: list[str], tell: Tell) -> None:
    """Fence off whatever else may still act, then switch one host after the other."""
    site = readied.site
    for name, host in site.hosts.items():
        host.raise_fence(Fence(directory=site.directories[name], token=site.token))
    tell(f"fence raised to {site.token}: nothing older changes {site.environment} from here on")
    release = readied.target.release.id
    for name in site.hosts:
        begun.append(name)
        coming = readied.memories[name].manifests[release]
        written = readied.written.get(name)
        _switch(readied, name, coming, tell, handover_of(written, coming) if written else None)


def _switch(
    readied: Readied, host: str, manifest: Manifest, tell: Tell, handover: Handover | None = None
) -> None:
    """Start a release on a host from the bundle that is kept there, and check it."""
    site = readied.site
    project = site.project(
        host,
        release_id=None,
        files=manifest.compose_files,
        profiles=manifest.profiles,
        env_file=manifest.env_file,
    )
    release = manifest.release
    up = start(
        site,
        host=host,
        release_id=release.id,
        project=project,
        services=manifest.services,
        depended_on=manifest.depended_on,
        handover=handover,
    )
    tell(f"{host}: {release.id} is up after {up.seconds:.1f} s")
    smoked = check_all(site, host=host, release=release, checkout=None)
    for check in smoked.checks:
        tell(f"{host}: smoke {check}: green")


def _recover(readied: Readied, begun: list[str], error: SluiceError, tell: Tell) -> tuple[Status, str]:
    """Start again what ran before, on every host where the switch had begun."""
    cause = process_redactor().text(str(error))
    if not begun:
        return Status.FAILED, f"{cause} (nothing was switched)"
    tell(f"failed: {cause}")
    try:
        for name in begun:
            _switch(readied, name, _before(readied, name), tell)
    except FencedError as fenced:
        return Status.ABANDONED, f"{cause}; then {fenced}"
    except SluiceError as worse:
        return Status.BROKEN, f"{cause}; then restoring failed: {worse}"
    again = ", ".join(f"{_before(readied, name).release.id} runs again on {name}" for name in begun)
    return Status.RESTORED, f"{cause} ({again})"


def _before(readied: Readied, host: str) -> Manifest:
    """Return what ran on a host before."""
    kept = readied.memories[host].manifests
    found = kept.get(readied.left_id or "") or kept.get(readied.memories[host].current or "")
    if found is None:
        raise TerminalError(f"nothing is known to have run on {host} before", "look at the host")
    return found


def _record_of(readied: Readied, started: datetime, outcome: Status, message: str) -> OfflineRollback:
    return OfflineRollback(
        id=f"{started:%Y%m%dT%H%M%SZ}",
        pipeline=readied.site.pipeline,
        environment=readied.site.environment,
        from_release_id=readied.left_id,
        to_release_id=readied.target.release.id,
        hosts=tuple(readied.site.hosts),
        left_out=readied.asked.left_out,
        who=readied.asked.who,
        reason=readied.asked.reason,
        started_at=started,
        ended_at=datetime.now(UTC),
        outcome=outcome,
        message=message,
        warnings=readied.warnings,
        token=readied.site.token,
    )


def _write_down(readied: Readied, record: OfflineRollback, tell: Tell) -> None:
    """Leave the record on every host, and the release among those that ran. What fails here is only told."""
    site = readied.site
    for name, host in site.hosts.items():
        path = f"{site.directories[name]}/{OFFLINE_FOLDER}/{record.id}.json"
        try:
            # Without the fence: what was done is written down even where another run took over meanwhile.
            host.write_file(path, record.to_json().encode())
            if record.outcome is Status.SUCCEEDED:
                _remember(readied, name, record)
        except SluiceError as error:
            tell(f"{name}: the record could not be written, so the ledger will not learn of this: {error}")


def _remember(readied: Readied, host: str, record: OfflineRollback) -> None:
    """Add the release to those that ran; a host that remembers none stays so: one line would hide the others."""
    live = readied.memories[host].live
    if not live:
        return
    held = {*live[-1].held, *([record.from_release_id] if record.from_release_id else [])}
    newest = LiveRelease(
        release_id=record.to_release_id,
        at=record.ended_at,
        kind=Kind.ROLLBACK,
        held=tuple(sorted(held - {record.to_release_id})),
    )
    append_live(readied.site, host, (newest,))
