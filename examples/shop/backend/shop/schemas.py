"""What goes over the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]


class Health(BaseModel):
    status: str
    version: str
    schema_: str | None = Field(serialization_alias="schema")
    release: str
    environment: str


class ProductOut(BaseModel):
    sku: str
    name: str
    description: str
    price_cents: int
    price: str
    currency: str
    stock: int


class OrderIn(BaseModel):
    sku: str
    quantity: int = Field(default=1, ge=1, le=20)
    email: Email


class RecentOrderOut(BaseModel):
    """An order as anyone may see it."""

    id: int
    product: str
    quantity: int
    status: str
    placed_at: datetime


class OrderOut(RecentOrderOut):
    """An order as its customer sees it."""

    reference: str
    total_cents: int
