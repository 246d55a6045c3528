import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shop import __version__
from shop.api import create_app
from shop.worker import work


@pytest.fixture
def client(settings, engine):
    with TestClient(create_app(settings, engine)) as client:
        yield client


def test_health_names_version_schema_and_release(client):
    answer = client.get("/api/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": __version__,
        "schema": "0002",
        "release": "unreleased",
        "environment": "development",
    }


def test_health_is_not_ok_without_a_schema(client, engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE products"))

    answer = client.get("/api/health")

    assert (answer.status_code, answer.json()["status"]) == (503, "database unavailable")


def test_an_order_is_placed_reserved_and_paid(client, engine):
    placed = client.post("/api/orders", json={"sku": "lock-mug", "email": "a@example.com"}).json()
    assert placed["status"] == "placed"

    assert work(engine)
    own = f"/api/orders/{placed['reference']}"
    assert client.get(own).json()["status"] == "reserved"
    assert client.post(f"{own}/payment").json()["status"] == "paid"
    assert client.post(f"{own}/payment").status_code == 409


def test_strangers_see_orders_without_address_or_reference(client):
    client.post("/api/orders", json={"sku": "lock-mug", "email": "a@example.com"})

    (seen,) = client.get("/api/orders").json()

    assert set(seen) == {"id", "product", "quantity", "status", "placed_at"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sku": "anchor", "email": "a@example.com"}, 404),
        ({"sku": "lock-mug", "email": "nobody"}, 422),
        ({"sku": "lock-mug", "email": "a@example.com", "quantity": 0}, 422),
    ],
)
def test_a_wrong_order_is_refused(client, body, status):
    assert client.post("/api/orders", json=body).status_code == status


def test_prices_are_shown_as_they_are_charged(client):
    (mug,) = client.get("/api/products").json()

    assert (mug["price"], mug["currency"]) == ("12.90", "EUR")
