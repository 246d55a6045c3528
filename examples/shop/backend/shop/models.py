"""The tables."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Timestamp = DateTime(timezone=True)


class Base(DeclarativeBase):
    type_annotation_map = {str: Text}


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price_cents >= 0", name="products_price_not_negative"),
        CheckConstraint("stock >= 0", name="products_stock_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str]
    price_cents: Mapped[int]
    stock: Mapped[int]


class Order(Base):
    """`placed` → `reserved` or `sold out`; `reserved` → `paid` or `expired`."""

    __tablename__ = "orders"
    __table_args__ = (Index("orders_by_status", "status", "reserved_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    total_cents: Mapped[int]
    email: Mapped[str]
    status: Mapped[str] = mapped_column(default="placed")
    placed_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    reserved_at: Mapped[datetime | None] = mapped_column(Timestamp)

    product: Mapped[Product] = relationship()


class Job(Base):
    """An order the worker has yet to look at."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), unique=True)
    queued_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())

    order: Mapped[Order] = relationship()
