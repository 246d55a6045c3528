"""Concurrent index without it."""

# risk: locking
# says: the migration fails

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "concurrent_index_without_it"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_reference", "orders", ["reference"], postgresql_concurrently=True)
