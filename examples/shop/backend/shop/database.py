"""Connections."""

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session


def connect(url: str) -> Engine:
    # A stopped database must show within a health check's time, not after libpq's two minutes.
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 2})


def schema_revision(session: Session) -> str:
    """Return the revision Alembic left in the database; raises where there is no schema."""
    return session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
