"""What ran before a promotion, and how it is started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.values.lifecycle import Status
from flows.core.attempt import Fallback
from flows.core.attempt import restore as restore_all
from flows.domain.promotion.recovery import failure_note, stopped_note, up_started
from tasks.database.schema import read_schema
from tasks.kernel.clock import utc_now
from tasks.kernel.errors import SluiceError
from tasks.services.smoke import verify
from tasks.services.up import restore, revive, stop
from tasks.steps.step import log
from tasks.targets.target.health import not_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.values.facts import HostFacts
    from blocks.values.manifests import Manifest
    from flows.domain.promotion.recovery import Ending
    from tasks.ledger.records import PromotionRecord
    from tasks.steps.run import Run

CUT = "the run was interrupted after a failure"


@dataclass(frozen=True)
class PromotionFallback(Fallback):
    """What ran before a promotion."""

    run: Run
    hosts: Mapping[str, HostFacts]
    manifests: Mapping[str, Manifest]

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.run.environment

    @property
    def release_id(self) -> str | None:
        """The release that ran before, as the first host on which one ran has it; None where nothing ran on any."""
        manifests = (facts.manifest for facts in self.hosts.values())
        return next((manifest.release.id for manifest in manifests if manifest), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The environment's hosts."""
        return tuple(self.hosts)

    def switched(self) -> tuple[str, ...]:
        """Return every host once the switch began: an engine that died stops services on those not reached too."""
        return self.names if up_started(self.run.ledger.steps.of(self.run.promotion_id)) else ()

    def begin(self, cause: str) -> None:
        """Write down that the promotion is on its way back."""
        log().error("%s; %s", cause, failure_note(Status.RESTORING, self.environment, self.release_id))
        move(self.run, Status.RESTORING, cause)

    def restore(self, host: str) -> str:
        """Start the release that ran before again, and smoke it; where none ran, stop what was started."""
        previous = self.hosts[host].manifest
        if previous is None:
            stopped = stop(self.run, host=host, manifest=self.manifests[host])
            return f"nothing ran on {host} before; {stopped.text}"
        restore(self.run, host=host, manifest=previous)
        verify(self.run, host=host, release=previous.release, checkout=None)
        return ""

    def revive(self, host: str) -> str:
        """Start again what ran on a host before and does not any more."""
        facts, run = self.hosts[host], self.run
        running = facts.running
        if facts.manifest is None or not running:
            return ""
        revived = revive(run, host=host, manifest=facts.manifest, services=running)
        line = stopped_note(host, revived.services)
        if line and host == run.primary and run.journal.begun("migrate"):
            _, revision, _ = read_schema(run, run.hosts[host])
            line += f"; the database is at revision {revision or 'unknown'}"
        return line

    def stop(self, host: str) -> None:
        """Stop what a first promotion left half-started."""
        stop(self.run, host=host, manifest=self.manifests[host])


def stopped_meanwhile(run: Run, hosts: Mapping[str, HostFacts]) -> bool:
    """Say whether something that ran by the facts from before does not run any more, or cannot be asked."""
    for name, facts in hosts.items():
        try:
            if facts.running and not_running(run.target(name).read_services(), facts.running):
                return True
        except SluiceError:
            return True
    return False


def restore_again(run: Run, row: PromotionRecord, fallback: Fallback) -> None:
    """Go on with the way back of a run that was killed on it."""
    move(run, Status.RESTORING, row.message)
    end(run, restore_all(fallback, row.message or CUT))


def end(run: Run, ending: Ending) -> Status:
    """Write down how a change ended; return its status."""
    move(run, ending.status, ending.message)
    return ending.status


def move(run: Run, status: Status, message: str) -> None:
    """Write a promotion's status and the line why into the ledger."""
    run.ledger.promotions.move(run.promotion_id, status, now=utc_now(), message=message[:2000])
