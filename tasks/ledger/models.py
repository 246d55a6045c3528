"""The ledger's tables. They stay inside this package; outsiders get the records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from blocks.values.lifecycle import ACTIVE
from tasks.ledger.columns import Moment, PlainText

HEAD = "0005"
VERSION_TABLE = "ledger_version"

Id = Annotated[int, mapped_column(primary_key=True)]
Promotion = Annotated[int, mapped_column(ForeignKey("promotions.id"))]
Large = Annotated[int, mapped_column(BigInteger)]

_ACTIVE = text("status IN ({})".format(", ".join(f"'{status}'" for status in sorted(ACTIVE))))
_UNRELEASED = text("released_at IS NULL")
_STANDING = text("gone_at IS NULL")
_WITH_CODE = text("code_step IS NOT NULL")
_RELAXED = text("status IN ('begun', 'relaxed')")


class Base(DeclarativeBase):
    """The base of the tables: times are UTC, texts are unbounded, constraints have predictable names."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), str: PlainText()}


class ReleaseRow(Base):
    """A release, whole, as JSON text: a text keeps the order of keys, on which checksums rest."""

    __tablename__ = "releases"
    __table_args__ = (Index(None, "pipeline", "commit_sha"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    pipeline: Mapped[str]
    commit_sha: Mapped[str]
    data: Mapped[str]
    created_at: Mapped[datetime]


class PromotionRow(Base):
    """One attempt to bring a release into an environment.

    `previous_release_id` is no foreign key: it is what the host says runs there, which a ledger made
    anew may not know.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        Index(None, "pipeline", "environment", "status"),
        Index(
            "uq_promotions_active",
            "pipeline",
            "environment",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
    )

    id: Mapped[Id]
    pipeline: Mapped[str]
    environment: Mapped[str]
    kind: Mapped[str]
    ref: Mapped[str]
    release_id: Mapped[str | None] = mapped_column(ForeignKey("releases.id"), index=True)
    previous_release_id: Mapped[str | None]
    status: Mapped[str]
    flow_run_id: Mapped[str | None] = mapped_column(unique=True)
    requested_by: Mapped[str]
    cause: Mapped[str]
    message: Mapped[str]
    plan_json: Mapped[str | None] = mapped_column("plan")
    plan_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    asked_json: Mapped[str | None] = mapped_column("asked")


class StepRow(Base):
    """One step of a promotion, on one host or on none."""

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("promotion_id", "name", "host"),)

    id: Mapped[Id]
    promotion_id: Mapped[Promotion]
    name: Mapped[str]
    host: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    receipt: Mapped[str | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ApprovalRow(Base):
    """One person's answer to one plan, or to one request to relax a rule.

    A valid code has its time step here, and so is used once, for whatever it was given.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        Index(None, "promotion_id", "plan_hash"),
        Index(None, "relaxation_id"),
        Index(
            "uq_approvals_code",
            "approver",
            "code_step",
            unique=True,
            sqlite_where=_WITH_CODE,
            postgresql_where=_WITH_CODE,
        ),
    )

    id: Mapped[Id]
    promotion_id: Mapped[int | None] = mapped_column(ForeignKey("promotions.id"))
    relaxation_id: Mapped[int | None] = mapped_column(ForeignKey("relaxations.id"))
    plan_hash: Mapped[str]
    approver: Mapped[str]
    decision: Mapped[str]
    counted: Mapped[bool]
    refusal: Mapped[str]
    reason: Mapped[str]
    code_step: Mapped[Large | None]
    created_at: Mapped[datetime]


class BackupRow(Base):
    """One database dump."""

    __tablename__ = "backups"
    __table_args__ = (Index(None, "pipeline", "environment"),)

    id: Mapped[Id]
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotions.id"), index=True)
    pipeline: Mapped[str]
    environment: Mapped[str]
    receipt: Mapped[str]
    created_at: Mapped[datetime]


class LeaseRow(Base):
    """The lease of one environment. The row stays when the lease is given back, so the token only grows."""

    __tablename__ = "leases"

    pipeline: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[int | None] = mapped_column(ForeignKey("promotions.id"))
    token: Mapped[Large]
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class HoldRow(Base):
    """A release that may not be promoted into an environment until a person says so."""

    __tablename__ = "holds"
    __table_args__ = (
        Index(
            "uq_holds_active",
            "pipeline",
            "environment",
            "release_id",
            unique=True,
            sqlite_where=_UNRELEASED,
            postgresql_where=_UNRELEASED,
        ),
    )

    id: Mapped[Id]
    pipeline: Mapped[str]
    environment: Mapped[str]
    release_id: Mapped[str]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]
    release_reason: Mapped[str | None]


class DrillRow(Base):
    """A dump that was restored and compared, in a promotion or on schedule."""

    __tablename__ = "drills"
    __table_args__ = (Index(None, "pipeline", "environment"),)

    id: Mapped[Id]
    promotion_id: Mapped[int | None] = mapped_column(ForeignKey("promotions.id"))
    pipeline: Mapped[str]
    environment: Mapped[str]
    passed: Mapped[bool]
    receipt: Mapped[str]
    created_at: Mapped[datetime]


class RehearsalRow(Base):
    """A pending migration that was run on a copy, and what ran on it afterwards."""

    __tablename__ = "rehearsals"
    __table_args__ = (Index(None, "pipeline", "environment"),)

    id: Mapped[Id]
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotions.id"), index=True)
    pipeline: Mapped[str]
    environment: Mapped[str]
    receipt: Mapped[str]
    created_at: Mapped[datetime]


class DriftRow(Base):
    """One difference between a host and the ledger, from when it was found until it was gone."""

    __tablename__ = "drift"
    __table_args__ = (
        Index(
            "uq_drift_standing",
            "pipeline",
            "environment",
            "host",
            "kind",
            "subject",
            unique=True,
            sqlite_where=_STANDING,
            postgresql_where=_STANDING,
        ),
    )

    id: Mapped[Id]
    pipeline: Mapped[str]
    environment: Mapped[str]
    host: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """One webhook request of GitHub. The unique id is what makes a repeated delivery do nothing."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "status", "id"),
        Index(None, "repository", "ref"),
        Index(None, "repository", "sha"),
        Index(None, "repository", "number"),
    )

    id: Mapped[Id]
    delivery: Mapped[str] = mapped_column(unique=True)
    event: Mapped[str]
    action: Mapped[str]
    repository: Mapped[str]
    ref: Mapped[str]
    sha: Mapped[str]
    number: Mapped[Large | None]
    sender: Mapped[str]
    digest: Mapped[str] = mapped_column(index=True)
    facts: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    attempts: Mapped[int]
    replays: Mapped[int]
    next_try_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StartRow(Base):
    """One flow run a delivery asks for. The key is Prefect's idempotency key, so a second try makes no second run."""

    __tablename__ = "starts"
    __table_args__ = (Index(None, "status", "id"), Index(None, "repository", "environment"))

    id: Mapped[Id]
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), index=True)
    key: Mapped[str] = mapped_column(unique=True)
    repository: Mapped[str]
    environment: Mapped[str]
    kind: Mapped[str]
    ref: Mapped[str]
    branch: Mapped[str]
    sha: Mapped[str]
    by_commit: Mapped[bool]
    requested_by: Mapped[str]
    cause: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    flow_run_id: Mapped[str | None]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RelaxationRow(Base):
    """One rule of a branch on GitHub that people let go for a while, from the request until it was put back.

    It is written before GitHub is changed: what it says of the rule is enough to put it back, whatever died meanwhile.
    """

    __tablename__ = "relaxations"
    __table_args__ = (
        Index(None, "repository", "status"),
        Index(
            "uq_relaxations_standing",
            "repository",
            "branch",
            "rule",
            unique=True,
            sqlite_where=_RELAXED,
            postgresql_where=_RELAXED,
        ),
    )

    id: Mapped[Id]
    pipeline: Mapped[str]
    repository: Mapped[str]
    branch: Mapped[str]
    rule: Mapped[str]
    seconds: Mapped[int]
    reason: Mapped[str]
    requested_by: Mapped[str]
    approved_by: Mapped[str]
    status: Mapped[str]
    message: Mapped[str]
    before: Mapped[str | None]
    flow_run_id: Mapped[str | None] = mapped_column(unique=True)
    asked_at: Mapped[datetime]
    until: Mapped[datetime | None]
    relaxed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    asked: Mapped[str | None]
