"""Branch by dialect."""

# risk: opaque
# says: a branch

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "branch_by_dialect"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
