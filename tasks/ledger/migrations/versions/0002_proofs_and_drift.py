"""Drills, rehearsals and drift."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _drills()
    _rehearsals()
    _drift()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _promotion(table: str, *, nullable: bool) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return (
        sa.Column("promotion_id", sa.Integer(), nullable=nullable),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=f"fk_{table}_promotion_id"),
    )


def _drills() -> None:
    op.create_table(
        "drills",
        *_id("drills"),
        *_promotion("drills", nullable=True),
        _text("pipeline"),
        _text("environment"),
        sa.Column("passed", sa.Boolean(), nullable=False),
        _text("receipt"),
        _moment("created_at"),
    )
    op.create_index("ix_drills_pipeline_environment", "drills", ["pipeline", "environment"])


def _rehearsals() -> None:
    op.create_table(
        "rehearsals",
        *_id("rehearsals"),
        *_promotion("rehearsals", nullable=False),
        _text("pipeline"),
        _text("environment"),
        _text("receipt"),
        _moment("created_at"),
    )
    op.create_index("ix_rehearsals_pipeline_environment", "rehearsals", ["pipeline", "environment"])
    op.create_index("ix_rehearsals_promotion_id", "rehearsals", ["promotion_id"])


def _drift() -> None:
    op.create_table(
        "drift",
        *_id("drift"),
        _text("pipeline"),
        _text("environment"),
        _text("host"),
        _text("kind"),
        _text("subject"),
        _text("detail"),
        _moment("found_at"),
        _moment("seen_at"),
        _moment("gone_at", nullable=True),
    )
    where = sa.text("gone_at IS NULL")
    columns = ["pipeline", "environment", "host", "kind", "subject"]
    op.create_index(
        "uq_drift_standing", "drift", columns, unique=True, sqlite_where=where, postgresql_where=where
    )
