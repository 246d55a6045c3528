"""Rows read and written."""

# risk: opaque
# says: it asks the database: op.get_bind()

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "rows_read_and_written"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("slug", sa.Text()))
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, name FROM customers")):
        connection.execute(sa.text("UPDATE customers SET slug = :s WHERE id = :i"), {"s": row.name.lower(), "i": row.id})
