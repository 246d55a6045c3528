"""Wider string."""

# risk: additive
# says: becomes varchar(200)

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "wider_string"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("customers", "name", existing_type=sa.VARCHAR(length=50), type_=sa.String(length=200), existing_nullable=False)
