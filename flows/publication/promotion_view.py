"""One promotion as it is to be shown: what the ledger and git know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from blocks.values.lifecycle import ENDED, OPEN, Kind, Status
from flows.core.outcome import run_link
from flows.domain.publication.states import moment_of
from flows.domain.rollback.offline import is_offline
from tasks.github.show_promotion import receipts, shown
from tasks.kernel.errors import SluiceError, TerminalError

if TYPE_CHECKING:
    from blocks.pipeline import Policy
    from blocks.values.plans import Plan
    from blocks.values.releases import Commit, Release
    from tasks.ledger.records import PromotionRecord, StepRecord
    from tasks.steps.publication import Showing

_MOST_ROWS = 50
# The gates let it in, and it has not ended.
_LET_IN = OPEN - {Status.PLANNING}
_NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class PromotionView:
    """One promotion, read anew each time it is shown.

    Attributes:
        asked_sha: The commit as its flow knows it; empty where the ledger has to say.
    """

    showing: Showing
    row: PromotionRecord
    asked_sha: str = ""

    @cached_property
    def policy(self) -> Policy:
        """The environment's policy."""
        return self.showing.policies[self.row.environment]

    @cached_property
    def rows(self) -> dict[str, StepRecord]:
        """What was shown already, or tried."""
        return shown(self.showing.ledger.steps.of(self.row.id))

    @cached_property
    def runs(self) -> bool:
        """Whether this promotion brought what runs in the environment."""
        running = self.showing.ledger.promotions.running(self.row.pipeline, self.row.environment)
        return running is not None and running.id == self.row.id

    @cached_property
    def moment(self) -> str:
        """What is to be shown now; empty for nothing."""
        # What runs already most likely stays as it is, and what stayed so unannounced brought nothing.
        if self.row.status is Status.PLANNING and self.before and self.before.commit.sha == self.sha:
            return ""
        if self.row.status is Status.UNCHANGED and not self.rows:
            return ""
        return moment_of(self.row.status, self.row.plan_hash, runs=self.runs)

    @property
    def due(self) -> bool:
        """Whether there is something that was not shown yet."""
        done = self.rows.get(self.moment)
        return bool(self.moment and self.sha) and (done is None or done.status != "finished")

    @cached_property
    def release(self) -> Release | None:
        """Its release, None where it is not known yet."""
        return self.showing.ledger.releases.get(self.row.release_id) if self.row.release_id else None

    @cached_property
    def sha(self) -> str:
        """Its commit; empty where nobody knows it."""
        if self.release is not None:
            return self.release.commit.sha
        return self.asked_sha or next((one.sha for one in receipts(self.rows) if one.sha), "")

    @cached_property
    def deployment(self) -> int:
        """The deployment's id on GitHub, 0 where the journal does not have it."""
        return max((one.deployment for one in receipts(self.rows)), default=0)

    @cached_property
    def plan(self) -> Plan | None:
        """Its plan, None where there is none that can be read."""
        return plan_of(self.row)

    @cached_property
    def before(self) -> Release | None:
        """The release that ran before it, or that runs while it is planned."""
        known = self.row.previous_release_id
        if known is None and self.row.status not in ENDED:
            running = self.showing.ledger.promotions.running(self.row.pipeline, self.row.environment)
            known = running.release_id if running is not None else None
        return self.showing.ledger.releases.get(known) if known else None

    @cached_property
    def commits(self) -> tuple[tuple[Commit, ...], tuple[Commit, ...]]:
        """The commits that come in and those that go out, newest first."""
        mirror = self.showing.mirror
        if self.before is None:
            return (mirror.commit(self.sha),), ()
        coming, leaving = mirror.commits_between(self.before.commit.sha, self.sha)
        return tuple(coming), tuple(leaving)

    @property
    def last(self) -> bool:
        """Whether the environment is the last one of the pipeline."""
        return self.showing.environments[-1:] == (self.row.environment,)

    @property
    def run(self) -> str:
        """The run's page; empty for a rollback without server."""
        return page_of(self.row)

    @cached_property
    def newest_of_commit(self) -> bool:
        """Whether the commit's status here is this promotion's, should several bring the same commit.

        It is the one's that waits for people or changes something, where there is one: what is only planned, or was
        refused, took nobody's place. Else it is the one's that ended last.
        """
        history = self.showing.ledger.promotions.history(
            self.row.pipeline, self.row.environment, limit=_MOST_ROWS
        )
        mine = _rank(self.row)
        return not any(_rank(row) > mine and self._same_commit(row) for row in history)

    def _same_commit(self, other: PromotionRecord) -> bool:
        if other.release_id is not None and self.row.release_id is not None:
            return other.release_id == self.row.release_id
        if other.release_id is not None:
            release = self.showing.ledger.releases.get(other.release_id)
            return release is not None and release.commit.sha == self.sha
        ref = other.ref or (self.policy.branch or "")
        try:
            return bool(ref) and self.showing.mirror.resolve(ref).sha == self.sha
        except SluiceError:
            return False

    @property
    def brings_version(self) -> bool:
        """Whether it may have brought a version to the last environment."""
        return self.last and self.runs and self.row.kind is not Kind.ROLLBACK and self.release is not None


def _rank(row: PromotionRecord) -> tuple[bool, datetime, int]:
    """Say which of several promotions counts: the higher one."""
    return row.status in _LET_IN, row.ended_at or _NOT_YET, row.id


def page_of(row: PromotionRecord) -> str:
    """Return the page of a promotion's run in the Prefect UI; empty where there is none."""
    return "" if is_offline(row.flow_run_id) else run_link(row.flow_run_id)


def plan_of(row: PromotionRecord) -> Plan | None:
    """Return a promotion's plan; one that another version wrote is none."""
    try:
        return row.plan
    except TerminalError:
        return None
