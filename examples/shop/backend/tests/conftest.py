import pytest
from sqlalchemy import StaticPool, create_engine, text
from sqlalchemy.orm import Session

from shop.models import Base, Product
from shop.settings import Settings

SETTINGS = Settings(database_url="sqlite://", secret_key="only for tests")


@pytest.fixture
def settings():
    return SETTINGS


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        session.execute(text("INSERT INTO alembic_version VALUES ('0002')"))
        session.add(Product(sku="lock-mug", name="Mug", description="Holds tea.", price_cents=1290, stock=3))
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session
