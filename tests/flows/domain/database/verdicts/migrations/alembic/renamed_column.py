"""Renamed column."""

# risk: destructive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "renamed_column"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("customers", "name", new_column_name="full_name")
