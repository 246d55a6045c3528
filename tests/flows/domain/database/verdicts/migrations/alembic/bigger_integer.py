"""Bigger integer."""

# risk: locking

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "bigger_integer"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("orders", "id", existing_type=sa.Integer(), type_=sa.BigInteger())
