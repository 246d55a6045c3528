"""The ledger's first tables."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, those that others point to first."""
    _releases()
    _promotions()
    _steps()
    _approvals()
    _backups()
    _leases()
    _holds()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _promotion(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (
        sa.Column("promotion_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=f"fk_{table}_promotion_id"),
    )


def _unique_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)


def _releases() -> None:
    op.create_table(
        "releases",
        _text("id"),
        _text("pipeline"),
        _text("commit_sha"),
        _text("data"),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
    )
    op.create_index("ix_releases_pipeline_commit_sha", "releases", ["pipeline", "commit_sha"])


def _promotions() -> None:
    op.create_table(
        "promotions",
        *_id("promotions"),
        _text("pipeline"),
        _text("environment"),
        _text("kind"),
        _text("ref"),
        _text("release_id", nullable=True),
        _text("previous_release_id", nullable=True),
        _text("status"),
        _text("flow_run_id", nullable=True),
        _text("requested_by"),
        _text("cause"),
        _text("message"),
        _text("plan", nullable=True),
        _text("plan_hash", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("started_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name="fk_promotions_release_id"),
        sa.UniqueConstraint("flow_run_id", name="uq_promotions_flow_run_id"),
    )
    place = ["pipeline", "environment"]
    op.create_index("ix_promotions_pipeline_environment_status", "promotions", [*place, "status"])
    op.create_index("ix_promotions_release_id", "promotions", ["release_id"])
    _unique_where("uq_promotions_active", "promotions", place, "status IN ('restoring', 'running')")


def _steps() -> None:
    op.create_table(
        "steps",
        *_id("steps"),
        *_promotion("steps"),
        _text("name"),
        _text("host"),
        _text("status"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("receipt", nullable=True),
        _text("error", nullable=True),
        _moment("started_at"),
        _moment("finished_at", nullable=True),
        sa.UniqueConstraint("promotion_id", "name", "host", name="uq_steps_promotion_id_name_host"),
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        *_id("approvals"),
        *_promotion("approvals"),
        _text("plan_hash"),
        _text("approver"),
        _text("decision"),
        sa.Column("counted", sa.Boolean(), nullable=False),
        _text("refusal"),
        _text("reason"),
        sa.Column("code_step", sa.BigInteger(), nullable=True),
        _moment("created_at"),
    )
    op.create_index("ix_approvals_promotion_id_plan_hash", "approvals", ["promotion_id", "plan_hash"])
    _unique_where("uq_approvals_code", "approvals", ["approver", "code_step"], "code_step IS NOT NULL")


def _backups() -> None:
    op.create_table(
        "backups",
        *_id("backups"),
        *_promotion("backups"),
        _text("pipeline"),
        _text("environment"),
        _text("receipt"),
        _moment("created_at"),
    )
    op.create_index("ix_backups_pipeline_environment", "backups", ["pipeline", "environment"])
    op.create_index("ix_backups_promotion_id", "backups", ["promotion_id"])


def _leases() -> None:
    op.create_table(
        "leases",
        _text("pipeline"),
        _text("environment"),
        sa.Column("owner", sa.Integer(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        _moment("acquired_at"),
        _moment("expires_at", nullable=True),
        sa.PrimaryKeyConstraint("pipeline", "environment", name="pk_leases"),
        sa.ForeignKeyConstraint(["owner"], ["promotions.id"], name="fk_leases_owner"),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        *_id("holds"),
        _text("pipeline"),
        _text("environment"),
        _text("release_id"),
        _text("reason"),
        _text("created_by"),
        _moment("created_at"),
        _moment("released_at", nullable=True),
        _text("released_by", nullable=True),
        _text("release_reason", nullable=True),
    )
    columns = ["pipeline", "environment", "release_id"]
    _unique_where("uq_holds_active", "holds", columns, "released_at IS NULL")
