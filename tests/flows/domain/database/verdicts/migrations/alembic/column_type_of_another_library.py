"""Column type of another library."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "column_type_of_another_library"
down_revision = "start"
branch_labels = None
depends_on = None


import fractions as app


def upgrade() -> None:
    op.add_column("orders", sa.Column("a", sa.Integer(), comment=str(app.Fraction(1))))
