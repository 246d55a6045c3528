"""Offline shows something else."""

# risk: opaque
# says: a branch: if context.is_offline_mode()

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "offline_shows_something_else"
down_revision = "start"
branch_labels = None
depends_on = None


from alembic import context


def upgrade() -> None:
    if context.is_offline_mode():
        op.execute("SELECT 1")
    else:
        op.execute("DROP TABLE orders")
