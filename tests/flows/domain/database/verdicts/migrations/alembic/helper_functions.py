"""Helper functions."""

# risk: destructive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "helper_functions"
down_revision = "start"
branch_labels = None
depends_on = None


COLUMNS = ["notes", "score"]


def _drop(table: str, column: str) -> None:
    op.drop_column(table, column)


def upgrade() -> None:
    for column in COLUMNS:
        _drop("customers", column)
