"""Update by sqlalchemy."""

# risk: opaque
# says: a data migration

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "update_by_sqlalchemy"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    orders = sa.table("orders", sa.column("total", sa.Integer))
    op.execute(orders.update().where(orders.c.total < 0).values(total=0))
