"""The ledger's tables: the columns are the fields of the records, and here is what else holds for them.

They stay inside this package; outsiders get the records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from blocks.values.lifecycle import ACTIVE
from tasks.ledger.columns import columns_of
from tasks.ledger.delivery_records import DeliveryRecord, StartRecord
from tasks.ledger.records import (
    ApprovalRecord,
    BackupRecord,
    DriftRecord,
    DrillRecord,
    Hold,
    Lease,
    PromotionRecord,
    Record,
    RehearsalRecord,
    ReleaseRecord,
    StepRecord,
)
from tasks.ledger.relaxation_records import RelaxationRecord

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.schema import SchemaItem

HEAD = "0005"
VERSION_TABLE = "ledger_version"

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(
    record: type[Record],
    name: str,
    *parts: SchemaItem,
    keys: Collection[str] = ("id",),
    large: Collection[str] = (),
) -> Table:
    return Table(name, METADATA, *columns_of(record, keys, large), *parts)


def _refers(column: str, table: str) -> SchemaItem:
    return ForeignKeyConstraint([column], [f"{table}.id"])


def _one_at_a_time(name: str, *columns: str, where: str) -> SchemaItem:
    """Return an index that lets only one row at a time be so."""
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


RELEASES = _table(ReleaseRecord, "releases", Index(None, "pipeline", "commit_sha"))

# `previous_release_id` is no foreign key: it is what the host says runs there, which a ledger made anew may not know.
PROMOTIONS = _table(
    PromotionRecord,
    "promotions",
    _refers("release_id", "releases"),
    UniqueConstraint("flow_run_id"),
    Index(None, "release_id"),
    Index(None, "pipeline", "environment", "status"),
    _one_at_a_time(
        "uq_promotions_active",
        "pipeline",
        "environment",
        where="status IN ({})".format(", ".join(f"'{status}'" for status in sorted(ACTIVE))),
    ),
)

STEPS = _table(
    StepRecord,
    "steps",
    _refers("promotion_id", "promotions"),
    UniqueConstraint("promotion_id", "name", "host"),
)

# A valid one-time code has its time step here, and so is used once, for whatever it was given.
APPROVALS = _table(
    ApprovalRecord,
    "approvals",
    _refers("promotion_id", "promotions"),
    _refers("relaxation_id", "relaxations"),
    Index(None, "promotion_id", "plan_hash"),
    Index(None, "relaxation_id"),
    _one_at_a_time("uq_approvals_code", "approver", "code_step", where="code_step IS NOT NULL"),
    large=["code_step"],
)

BACKUPS = _table(
    BackupRecord,
    "backups",
    _refers("promotion_id", "promotions"),
    Index(None, "promotion_id"),
    Index(None, "pipeline", "environment"),
)

DRILLS = _table(
    DrillRecord,
    "drills",
    Column("passed", Boolean(), nullable=False),
    _refers("promotion_id", "promotions"),
    Index(None, "pipeline", "environment"),
)

REHEARSALS = _table(
    RehearsalRecord,
    "rehearsals",
    _refers("promotion_id", "promotions"),
    Index(None, "promotion_id"),
    Index(None, "pipeline", "environment"),
)

# The row stays when the lease is given back, so the token only grows.
LEASES = _table(
    Lease,
    "leases",
    _refers("owner", "promotions"),
    keys=["pipeline", "environment"],
    large=["token"],
)

HOLDS = _table(
    Hold,
    "holds",
    _one_at_a_time("uq_holds_active", "pipeline", "environment", "release_id", where="released_at IS NULL"),
)

DRIFT = _table(
    DriftRecord,
    "drift",
    _one_at_a_time(
        "uq_drift_standing", "pipeline", "environment", "host", "kind", "subject", where="gone_at IS NULL"
    ),
)

# The unique id is what makes a repeated delivery do nothing.
DELIVERIES = _table(
    DeliveryRecord,
    "deliveries",
    UniqueConstraint("delivery"),
    Index(None, "digest"),
    Index(None, "status", "id"),
    Index(None, "repository", "ref"),
    Index(None, "repository", "sha"),
    Index(None, "repository", "number"),
    large=["number"],
)

STARTS = _table(
    StartRecord,
    "starts",
    _refers("delivery_id", "deliveries"),
    UniqueConstraint("key"),
    Index(None, "delivery_id"),
    Index(None, "status", "id"),
    Index(None, "repository", "environment"),
)

# It is written before GitHub is changed: what it says of the rule is enough to put it back, whatever died meanwhile.
RELAXATIONS = _table(
    RelaxationRecord,
    "relaxations",
    UniqueConstraint("flow_run_id"),
    Index(None, "repository", "status"),
    _one_at_a_time(
        "uq_relaxations_standing", "repository", "branch", "rule", where="status IN ('begun', 'relaxed')"
    ),
)
