"""What can happen to an order."""

import hashlib
import hmac
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.models import Job, Order, Product


class OrderError(Exception):
    """The order cannot take that step."""


def reference(order_id: int, secret_key: str) -> str:
    """Return what a customer follows the order with: its number, signed so that others cannot be guessed."""
    signature = hmac.new(secret_key.encode(), str(order_id).encode(), hashlib.sha256).hexdigest()
    return f"{order_id}-{signature[:16]}"


def find(session: Session, given: str, secret_key: str) -> Order | None:
    number = given.partition("-")[0]
    # Postgres' integer ends at ten digits; isdecimal alone would let a longer one reach it.
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        return None
    if not hmac.compare_digest(given.encode(), reference(int(number), secret_key).encode()):
        return None
    return session.get(Order, int(number))


def place(session: Session, product: Product, quantity: int, email: str) -> Order:
    """Record the order and queue it for the worker, in one transaction."""
    order = Order(product=product, quantity=quantity, total_cents=product.price_cents * quantity, email=email)
    session.add(Job(order=order))
    session.flush()
    return order


def reserve_next(session: Session, now: datetime) -> Order | None:
    """Take the oldest queued order that no other worker holds, and set its goods aside.

    Returns:
        The order, or None when the queue is empty.
    """
    job = session.scalars(select(Job).order_by(Job.id).limit(1).with_for_update(skip_locked=True)).first()
    if job is None:
        return None
    order = job.order
    product = session.get_one(Product, order.product_id, with_for_update=True)
    if product.stock >= order.quantity:
        product.stock -= order.quantity
        order.status, order.reserved_at = "reserved", now
    else:
        order.status = "sold out"
    session.delete(job)
    return order


def pay(session: Session, order: Order) -> None:
    session.refresh(order, with_for_update=True)
    if order.status != "reserved":
        raise OrderError(f"an order that is {order.status} cannot be paid")
    order.status = "paid"


def expire_unpaid(session: Session, reserved_before: datetime) -> list[Order]:
    """Put the goods of orders reserved before that time, and not paid since, back on the shelf."""
    late = (
        select(Order)
        .where(Order.status == "reserved", Order.reserved_at < reserved_before)
        .order_by(Order.id)
    )
    expired = list(session.scalars(late.with_for_update(skip_locked=True)))
    for order in expired:
        session.get_one(Product, order.product_id, with_for_update=True).stock += order.quantity
        order.status = "expired"
    return expired
