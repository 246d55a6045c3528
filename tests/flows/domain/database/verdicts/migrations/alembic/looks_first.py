"""Looks first."""

# risk: opaque
# says: a branch: if 'notes' in

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "looks_first"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns("customers")]
    if "notes" in columns:
        op.drop_column("customers", "notes")
