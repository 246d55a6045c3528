"""Concurrent index in autocommit block."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "concurrent_index_in_autocommit_block"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_reference", "orders", ["reference"], postgresql_concurrently=True, if_not_exists=True)
