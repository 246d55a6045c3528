from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from shop import orders
from shop.models import Product

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def mug(session):
    return session.scalars(select(Product)).one()


def test_the_worker_takes_goods_off_the_shelf_once(session, mug):
    orders.place(session, mug, 2, "a@example.com")

    taken = orders.reserve_next(session, NOW)

    assert (taken.status, taken.total_cents, mug.stock) == ("reserved", 2580, 1)
    assert orders.reserve_next(session, NOW) is None


def test_more_than_the_shelf_holds_is_sold_out(session, mug):
    orders.place(session, mug, 4, "a@example.com")

    assert orders.reserve_next(session, NOW).status == "sold out"
    assert mug.stock == 3


def test_only_a_reserved_order_can_be_paid(session, mug):
    order = orders.place(session, mug, 1, "a@example.com")
    with pytest.raises(orders.OrderError, match="placed"):
        orders.pay(session, order)

    orders.reserve_next(session, NOW)
    session.commit()
    orders.pay(session, order)

    assert order.status == "paid"


def test_an_unpaid_order_expires_and_its_goods_return(session, mug):
    order = orders.place(session, mug, 1, "a@example.com")
    orders.reserve_next(session, NOW)

    assert orders.expire_unpaid(session, NOW - timedelta(minutes=1)) == []
    assert orders.expire_unpaid(session, NOW + timedelta(minutes=1)) == [order]
    assert (order.status, mug.stock) == ("expired", 3)


@pytest.mark.parametrize("given", ["1", "1-", "1-0000000000000000", "x-1", "", "99999999999-1", "²-1"])
def test_a_reference_cannot_be_guessed(session, mug, given):
    order = orders.place(session, mug, 1, "a@example.com")

    assert orders.find(session, given, "key") is None
    assert orders.find(session, orders.reference(order.id, "key"), "key") is order
