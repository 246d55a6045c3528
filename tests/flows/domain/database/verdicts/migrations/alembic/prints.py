"""Prints."""

# risk: opaque
# says: it calls print

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "prints"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    print("SELECT 'adding the column';")
    op.add_column("orders", sa.Column("a", sa.Integer()))
