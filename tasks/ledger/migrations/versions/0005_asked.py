"""What a run was asked for at its first start: its parameters, and the repository they led to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Of rows from before nobody knows it any more: they stay empty."""
    for table in ("promotions", "relaxations"):
        op.add_column(table, sa.Column("asked", sa.Text(), nullable=True))
