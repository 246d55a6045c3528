"""Reads an sql file."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reads_an_sql_file"
down_revision = "start"
branch_labels = None
depends_on = None


from pathlib import Path


def upgrade() -> None:
    op.execute(Path(__file__).with_name("seed.sql").read_text())
