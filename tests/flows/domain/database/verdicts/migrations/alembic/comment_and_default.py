"""Comment and default."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "comment_and_default"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("orders", "total", existing_type=sa.Integer(), comment="cents; not euros", server_default="1")
