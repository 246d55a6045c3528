"""order queue"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "order_id",
            sa.Integer,
            sa.ForeignKey("orders.id", ondelete="CASCADE"),
            nullable=False,
            unique=True,
        ),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.add_column("orders", sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("orders_by_status", "orders", ["status", "reserved_at"])


def downgrade() -> None:
    op.drop_index("orders_by_status", "orders")
    op.drop_column("orders", "reserved_at")
    op.drop_table("jobs")
