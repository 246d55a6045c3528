"""Deliveries of GitHub's webhooks, and the flow runs they start."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _deliveries()
    _starts()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return _number("id"), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        *_id("deliveries"),
        _text("delivery"),
        _text("event"),
        _text("action"),
        _text("repository"),
        _text("ref"),
        _text("sha"),
        sa.Column("number", sa.BigInteger(), nullable=True),
        _text("sender"),
        _text("digest"),
        _text("facts"),
        _text("status"),
        _text("reason"),
        _number("attempts"),
        _number("replays"),
        _moment("next_try_at", nullable=True),
        _moment("received_at"),
        _moment("updated_at"),
        sa.UniqueConstraint("delivery", name="uq_deliveries_delivery"),
    )
    _index("deliveries", "digest")
    _index("deliveries", "status", "id")
    for column in ("ref", "sha", "number"):
        _index("deliveries", "repository", column)


def _starts() -> None:
    op.create_table(
        "starts",
        *_id("starts"),
        _number("delivery_id"),
        _text("key"),
        _text("repository"),
        _text("environment"),
        _text("kind"),
        _text("ref"),
        _text("branch"),
        _text("sha"),
        sa.Column("by_commit", sa.Boolean(), nullable=False),
        _text("requested_by"),
        _text("cause"),
        _text("status"),
        _text("reason"),
        _text("flow_run_id", nullable=True),
        _number("attempts"),
        _moment("next_try_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_starts_delivery_id"),
        sa.UniqueConstraint("key", name="uq_starts_key"),
    )
    _index("starts", "delivery_id")
    _index("starts", "status", "id")
    _index("starts", "repository", "environment")
