"""Bulk insert."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "bulk_insert"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kinds = sa.table("kinds", sa.column("id", sa.Integer), sa.column("name", sa.String))
    op.create_table("kinds", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.bulk_insert(kinds, [{"id": number, "name": name} for number, name in enumerate(("a", "b'; DROP TABLE orders; --"))])
