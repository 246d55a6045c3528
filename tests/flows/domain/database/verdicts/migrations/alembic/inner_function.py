"""Inner function."""

# risk: opaque
# says: a functiondef statement

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "inner_function"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    def fill() -> None:
        op.execute("SELECT 1")

    fill()
