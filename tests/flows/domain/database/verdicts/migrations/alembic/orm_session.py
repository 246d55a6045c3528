"""Orm session."""

# risk: opaque
# says: it calls Session

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "orm_session"
down_revision = "start"
branch_labels = None
depends_on = None


from sqlalchemy.orm import Session


def upgrade() -> None:
    session = Session(bind=op.get_bind())
    session.execute(sa.text("DELETE FROM orders"))
    session.commit()
