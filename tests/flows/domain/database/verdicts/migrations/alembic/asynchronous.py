"""Asynchronous."""

# risk: opaque
# says: run_async

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "asynchronous"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.run_async(lambda connection: connection.execute(sa.text("SELECT 1")))
