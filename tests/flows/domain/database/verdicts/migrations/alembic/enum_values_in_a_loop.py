"""Enum values in a loop."""

# risk: additive
# says: which it does not know

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enum_values_in_a_loop"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for value in ("refunded", "disputed"):
            op.execute(f"ALTER TYPE order_status ADD VALUE IF NOT EXISTS '{value}'")
