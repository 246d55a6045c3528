"""Rows written only."""

# risk: opaque
# says: it asks the database

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "rows_written_only"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE orders SET total = 0 WHERE total IS NULL"))
