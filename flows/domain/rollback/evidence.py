"""What a rollback knows before it decides how to treat the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from blocks.values.evidence import RehearsalReceipt
from blocks.values.receipts import BackupReceipt
from blocks.values.releases import Revision
from blocks.values.rollback import DowngradeTrial
from blocks.values.schema_changes import MigrationVerdict
from flows.domain.database.schema import ahead_of

# What Alembic calls the revision of a database without migrations.
BASE = "base"
_SLACK_ROWS = 100


@dataclass(frozen=True)
class RollbackEvidence:
    """Everything the decision is made from.

    Attributes:
        target: The migrations it knows.
        running: The migrations that one knows.
        current: The revisions the database stands at; None where it was not read, which is taken as the running
            release's newest.
        known: Migrations of other releases that ran here.
        told: Where releases name no migrations (another tool than Alembic, or one that runs at the start): what the
            promotions since the target ran said they would bring in; None where that is not known.
        verdicts: Migration → what it does, as judged when it came in.
        rehearsals: The rehearsals of this environment, newest first.
        can_downgrade: True where the running release has a command that runs down-migrations.
        downgrades_to_base: True where that command can take back every migration.
        backup: The newest dump made while the target ran, or with its very schema; None without one.
        quorum: How many must approve a restore.
        approvers: How many could.
        restore: True where a person asked for a restore, should nothing else help.
        insist: True where a person answers for migrations nobody judged.
        named: True where a person named the target.
    """

    environment: str
    target_id: str
    target: tuple[Revision, ...]
    running_id: str | None
    running: tuple[Revision, ...] = ()
    current: tuple[str, ...] | None = None
    known: tuple[Revision, ...] = ()
    migrates: bool = True
    told: tuple[Revision, ...] | None = None
    ran_on: tuple[tuple[str, ...], ...] = ()
    verdicts: Mapping[str, MigrationVerdict] = field(default_factory=dict)
    rehearsals: tuple[RehearsalReceipt, ...] = ()
    can_downgrade: bool = False
    downgrades_to_base: bool = False
    trial: DowngradeTrial | None = None
    backup: BackupReceipt | None = None
    quorum: int = 2
    approvers: int = 0
    restore: bool = False
    insist: bool = False
    named: bool = False

    @property
    def stands_at(self) -> tuple[str, ...]:
        """The revisions the database stands at, or is taken to stand at."""
        return heads(self.running) if self.current is None else self.current

    @property
    def nameless(self) -> bool:
        """True where the application migrates and its releases name no migrations."""
        return self.migrates and not (self.target or self.running)

    @property
    def unmoved(self) -> bool:
        """True where the database is at a revision it had while the target ran."""
        return self.current is not None and tuple(sorted(self.current)) in self.ran_on

    @property
    def ahead(self) -> tuple[Revision, ...]:
        """The migrations the database has and the target does not know, each after those it follows."""
        if self.nameless:
            return () if self.unmoved else self.told or ()
        return ahead_of(self.target, self.stands_at, (*self.known, *self.running))

    @property
    def pending(self) -> tuple[Revision, ...]:
        """The migrations the target needs and the database lacks."""
        graph = (*self.known, *self.running, *self.target)
        applied = {revision.id for revision in ahead_of((), self.stands_at, graph)}
        return tuple(revision for revision in self.target if revision.id not in applied)

    @property
    def judged(self) -> tuple[MigrationVerdict, ...]:
        """What those of `ahead` do that were judged."""
        return tuple(self.verdicts[one.id] for one in self.ahead if one.id in self.verdicts)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Those of `ahead` that nobody judged."""
        return tuple(one.id for one in self.ahead if one.id not in self.verdicts)

    @property
    def untold(self) -> bool:
        """True where nobody can say which migrations lie between."""
        return self.nameless and not self.unmoved and self.told is None


def heads(revisions: Sequence[Revision]) -> tuple[str, ...]:
    """Return the newest migrations of a graph: those that no other follows."""
    followed = {down for revision in revisions for down in revision.down}
    return tuple(sorted(revision.id for revision in revisions if revision.id not in followed))


def most_rows(rows: int) -> int:
    """Return how many lost rows an approval covers that was given when so many would be lost.

    Returns:
        Twice as many, and a hundred more at the least: people need time to answer, and the database lives on.
    """
    return rows + max(rows, _SLACK_ROWS)


def fitting_backup(
    backups: Sequence[tuple[BackupReceipt, str | None]], target_id: str, target: Sequence[Revision]
) -> BackupReceipt | None:
    """Choose the dump a release could run on.

    Args:
        backups: Each dump, newest first, with the release that ran when it was taken.

    Returns:
        The newest dump that has exactly its schema; where migrations have no names, that was taken while it
        ran. One without a table only where none holds some. None where there is none.
    """
    wanted = set(heads(target))
    # Tables may have been dropped by mistake since: what a rightly empty dump is of has none that holds some.
    for receipt, ran in sorted(backups, key=lambda one: one[0].holds is False):
        revision = as_revisions(receipt.revision)
        same = set(revision) == wanted if target else ran == target_id
        if same and receipt.entries and receipt.counts:
            return receipt
    return None


def as_revisions(text: str | None) -> tuple[str, ...]:
    """Return the revisions in a comma-separated text, sorted."""
    return tuple(sorted(part.strip() for part in (text or "").split(",") if part.strip()))


def downgrade_target(evidence: RollbackEvidence) -> str | None:
    """Return the one revision the down-migrations would have to reach, None where there is no such one."""
    newest = heads(evidence.target)
    if not newest and evidence.downgrades_to_base:
        return BASE
    return newest[0] if len(newest) == 1 else None
