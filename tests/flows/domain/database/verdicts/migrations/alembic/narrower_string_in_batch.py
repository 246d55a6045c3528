"""Narrower string in batch."""

# risk: destructive
# says: from varchar(50) to varchar(20)

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "narrower_string_in_batch"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slug", sa.String(40), nullable=True))
        batch_op.alter_column("name", existing_type=sa.VARCHAR(length=50), type_=sa.String(length=20))
