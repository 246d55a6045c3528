"""The rollback without server and ledger itself: fence, switch, smoke; back again when it fails; the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Kind, Status
from blocks.values.offline import LiveRelease, OfflineRollback
from flows.core.attempt import Fallback, attempt
from flows.domain.promotion.recovery import stopped_note
from flows.promotion.release_data import release_with_data
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.protocols import Fence
from tasks.kernel.redact import process_redactor
from tasks.services.checks import check_all

if TYPE_CHECKING:
    from blocks.values.manifests import Manifest
    from flows.domain.promotion.recovery import Ending
    from flows.rollback.offline_hosts import PreparedRollback

Tell = Callable[[str], None]


def go_back(prepared: PreparedRollback, tell: Tell) -> OfflineRollback:
    """Go back, and write down on the hosts what was done.

    Returns:
        What was done. A failure is an outcome here: what ran before runs again, or a person is needed.
    """
    started, site = datetime.now(UTC), prepared.site
    # Higher than any that a dead control plane could still act with; the next lease of the ledger is higher again.
    site.token = max(int(started.timestamp()), *(one.fence + 1 for one in prepared.memories.values()))
    fallback = OfflineFallback(prepared, tell)
    ending = attempt(lambda: _forward(prepared, fallback.begun, tell), fallback)
    record = _record_of(prepared, started, ending)
    _write_down(prepared, record, tell)
    return record


@dataclass(frozen=True)
class OfflineFallback(Fallback):
    """What ran before an offline rollback."""

    prepared: PreparedRollback
    tell: Tell
    begun: list[str] = field(default_factory=list)

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.prepared.site.environment

    @property
    def release_id(self) -> str:
        """The release that is left."""
        return self.prepared.left_id or "what ran before"

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that are reached."""
        return tuple(self.prepared.site.hosts)

    def switched(self) -> tuple[str, ...]:
        """Return the hosts whose switch began."""
        return tuple(self.begun)

    def begin(self, cause: str) -> None:
        """Say what failed."""
        self.tell(f"failed: {process_redactor().text(cause)}")

    def restore(self, host: str) -> str:
        """Start what ran on a host before again, and check it."""
        before = _before(self.prepared, host)
        # What failed may have been the engine, which is on its way back.
        self.prepared.site.target(host).read_services(patient=True)
        _switch(self.prepared, host, before, self.tell)
        return f"{before.release.id} runs again on {host}"

    def revive(self, host: str) -> str:
        """Start again what ran on a host when it was read, and does not any more."""
        facts = self.prepared.facts.get(host)
        if facts is None or facts.manifest is None or not facts.running:
            return ""
        started = self.prepared.site.target(host).start_stopped(facts.manifest, facts.running)
        return stopped_note(host, started)


def _forward(prepared: PreparedRollback, begun: list[str], tell: Tell) -> str:
    """Fence off whatever else may still act, then switch one host after the other."""
    site = prepared.site
    for name, host in site.hosts.items():
        host.raise_fence(Fence(directory=site.directories[name], token=site.token))
    tell(f"fence raised to {site.token}: no older run can change {site.environment} now")
    release = prepared.target.release.id
    for name in site.hosts:
        begun.append(name)
        coming = prepared.memories[name].manifests[release]
        facts = prepared.facts.get(name)
        _switch(prepared, name, coming, tell, release_with_data(facts) if facts else None)
    return f"{release} runs in {site.environment}; {'its smoke checks passed' if site.policy.smoke else 'unchecked'}"


def _switch(
    prepared: PreparedRollback, host: str, manifest: Manifest, tell: Tell, left: Manifest | None = None
) -> None:
    """Start a release on a host from the bundle that is kept there, and check it."""
    site = prepared.site
    release = manifest.release
    began = time.monotonic()
    site.target(host).start(manifest, left=left)
    tell(f"{host}: {release.id} is up after {time.monotonic() - began:.1f} s")
    smoked = check_all(site, host=host, release=release, checkout=None)
    for check in smoked.checks:
        tell(f"{host}: smoke {check}: green")


def _before(prepared: PreparedRollback, host: str) -> Manifest:
    kept = prepared.memories[host].manifests
    found = kept.get(prepared.left_id or "") or kept.get(prepared.memories[host].current or "")
    if found is None:
        raise TerminalError(f"nothing is known to have run on {host} before", "check the host")
    return found


def _record_of(prepared: PreparedRollback, started: datetime, ending: Ending) -> OfflineRollback:
    return OfflineRollback(
        id=f"{started:%Y%m%dT%H%M%SZ}",
        pipeline=prepared.site.pipeline,
        environment=prepared.site.environment,
        from_release_id=prepared.left_id,
        to_release_id=prepared.target.release.id,
        hosts=tuple(prepared.site.hosts),
        left_out=prepared.asked.left_out,
        who=prepared.asked.who,
        reason=prepared.asked.reason,
        started_at=started,
        ended_at=datetime.now(UTC),
        outcome=ending.status,
        message=process_redactor().text(ending.message)[:2000],
        warnings=prepared.warnings,
        token=prepared.site.token,
    )


def _write_down(prepared: PreparedRollback, record: OfflineRollback, tell: Tell) -> None:
    """Leave the record on every host, and the release among those that ran. What fails here is only told."""
    site = prepared.site
    for name in site.hosts:
        try:
            site.target(name).write_rollback(record)
            if record.outcome is Status.SUCCEEDED:
                _remember(prepared, name, record)
        except SluiceError as error:
            tell(f"{name}: the record could not be written, so the ledger will not have it: {error}")


def _remember(prepared: PreparedRollback, host: str, record: OfflineRollback) -> None:
    """Add the release to those that ran; a host that remembers none stays so: one line would hide the others."""
    live = prepared.memories[host].live
    if not live:
        return
    held = {*live[-1].held, *([record.from_release_id] if record.from_release_id else [])}
    newest = LiveRelease(
        release_id=record.to_release_id,
        at=record.ended_at,
        kind=Kind.ROLLBACK,
        held=tuple(sorted(held - {record.to_release_id})),
    )
    prepared.site.target(host).remember((newest,))
