"""Enum made before its column."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enum_made_before_its_column"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = postgresql.ENUM("gift", "plain", name="order_kind", create_type=False)
    kind.create(op.get_bind(), checkfirst=True)
    op.add_column("orders", sa.Column("kind", kind, server_default="plain", nullable=False))
