"""Reads the environment."""

# risk: opaque
# says: it calls os.environ.get

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reads_the_environment"
down_revision = "start"
branch_labels = None
depends_on = None


import os


def upgrade() -> None:
    op.execute(f"SET statement_timeout = {int(os.environ.get('TIMEOUT', '0'))}")
