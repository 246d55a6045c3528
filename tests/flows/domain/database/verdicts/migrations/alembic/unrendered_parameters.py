"""Unrendered parameters."""

# risk: opaque
# says: parser does not accept

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "unrendered_parameters"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("INSERT INTO customers (name) VALUES (%(name)s)")
