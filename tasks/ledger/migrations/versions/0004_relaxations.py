"""Rules on GitHub that people let go for a while, and the answers of those who were asked."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CODE_COLUMNS = ["approver", "code_step"]
_PLAN_COLUMNS = ["promotion_id", "plan_hash"]


def upgrade() -> None:
    """Make the table, and let an answer belong to a request in it."""
    _relaxations()
    if op.get_bind().dialect.name == "sqlite":
        _approvals_anew()
    else:
        op.alter_column("approvals", "promotion_id", existing_type=sa.Integer(), nullable=True)
        op.add_column("approvals", sa.Column("relaxation_id", sa.Integer(), nullable=True))
        op.create_foreign_key(
            "fk_approvals_relaxation_id", "approvals", "relaxations", ["relaxation_id"], ["id"]
        )
    op.create_index("ix_approvals_relaxation_id", "approvals", ["relaxation_id"])


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _unique_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)


def _relaxations() -> None:
    op.create_table(
        "relaxations",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("pipeline"),
        _text("repository"),
        _text("branch"),
        _text("rule"),
        sa.Column("seconds", sa.Integer(), nullable=False),
        _text("reason"),
        _text("requested_by"),
        _text("approved_by"),
        _text("status"),
        _text("message"),
        _text("before", nullable=True),
        _text("flow_run_id", nullable=True),
        _moment("asked_at"),
        _moment("until", nullable=True),
        _moment("relaxed_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_relaxations"),
        sa.UniqueConstraint("flow_run_id", name="uq_relaxations_flow_run_id"),
    )
    op.create_index("ix_relaxations_repository_status", "relaxations", ["repository", "status"])
    standing = "status IN ('begun', 'relaxed')"
    _unique_where("uq_relaxations_standing", "relaxations", ["repository", "branch", "rule"], standing)


def _approvals_anew() -> None:
    """Make the table again: SQLite cannot take a NOT NULL away."""
    kept = "id, promotion_id, plan_hash, approver, decision, counted, refusal, reason, code_step, created_at"
    op.create_table(
        "approvals_0004",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("promotion_id", sa.Integer(), nullable=True),
        sa.Column("relaxation_id", sa.Integer(), nullable=True),
        _text("plan_hash"),
        _text("approver"),
        _text("decision"),
        sa.Column("counted", sa.Boolean(), nullable=False),
        _text("refusal"),
        _text("reason"),
        sa.Column("code_step", sa.BigInteger(), nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name="fk_approvals_promotion_id"),
        sa.ForeignKeyConstraint(["relaxation_id"], ["relaxations.id"], name="fk_approvals_relaxation_id"),
    )
    op.execute(f"INSERT INTO approvals_0004 ({kept}) SELECT {kept} FROM approvals")  # noqa: S608 - names only
    op.drop_table("approvals")
    op.rename_table("approvals_0004", "approvals")
    op.create_index("ix_approvals_promotion_id_plan_hash", "approvals", _PLAN_COLUMNS)
    _unique_where("uq_approvals_code", "approvals", _CODE_COLUMNS, "code_step IS NOT NULL")
