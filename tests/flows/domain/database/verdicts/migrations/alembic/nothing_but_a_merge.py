"""Nothing but a merge."""

# risk: additive

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "nothing_but_a_merge"
down_revision = "start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Merge two branches."""
