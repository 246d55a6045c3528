"""Calls the world."""

# risk: opaque
# says: it calls subprocess.run

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "calls_the_world"
down_revision = "start"
branch_labels = None
depends_on = None


import subprocess


def upgrade() -> None:
    subprocess.run(["true"], check=True)
    op.add_column("orders", sa.Column("a", sa.Integer()))
