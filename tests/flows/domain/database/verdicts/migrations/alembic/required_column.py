"""Required column."""

# risk: destructive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "required_column"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("channel", sa.String(10), nullable=False))
