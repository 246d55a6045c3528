"""The HTTP interface."""

import logging
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from shop import __version__, orders
from shop.database import schema_revision
from shop.models import Order, Product
from shop.schemas import Health, OrderIn, OrderOut, ProductOut, RecentOrderOut
from shop.settings import Settings

log = logging.getLogger(__name__)


def read_settings(request: Request) -> Settings:
    return request.app.state.settings


def open_session(request: Request) -> Iterator[Session]:
    with Session(request.app.state.engine) as session:
        yield session


Config = Annotated[Settings, Depends(read_settings)]
Database = Annotated[Session, Depends(open_session)]


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    app = FastAPI(
        title="Shop",
        version=__version__,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.settings = settings
    app.state.engine = engine
    app.get("/api/health")(health)
    app.get("/api/products")(list_products)
    app.get("/api/orders")(list_orders)
    app.post("/api/orders", status_code=201)(place_order)
    app.get("/api/orders/{reference}")(show_order)
    app.post("/api/orders/{reference}/payment")(pay_order)
    return app


def health(response: Response, settings: Config, session: Database) -> Health:
    schema, status = None, "ok"
    try:
        schema = schema_revision(session)
        # A whole row of each: a column that this version knows and the schema lacks shows here.
        for model in (Product, Order):
            session.scalars(select(model).limit(1)).first()
    except SQLAlchemyError as error:
        # The class says enough; the message may hold the connection's parameters.
        log.warning("not healthy: %s", type(error).__name__)
        status = "database unavailable"
    if status != "ok":
        response.status_code = 503
    return Health(
        status=status,
        version=__version__,
        schema_=schema,
        release=settings.release,
        environment=settings.environment,
    )


def list_products(settings: Config, session: Database) -> list[ProductOut]:
    return [
        ProductOut(
            sku=product.sku,
            name=product.name,
            description=product.description,
            price_cents=product.price_cents,
            price=f"{product.price_cents / 100:.2f}",
            currency=settings.currency,
            stock=product.stock,
        )
        for product in session.scalars(select(Product).order_by(Product.id))
    ]


def list_orders(session: Database) -> list[RecentOrderOut]:
    recent = select(Order).options(joinedload(Order.product)).order_by(Order.id.desc()).limit(20)
    return [RecentOrderOut(**public_fields(order)) for order in session.scalars(recent)]


def place_order(wanted: OrderIn, settings: Config, session: Database) -> OrderOut:
    product = session.scalars(select(Product).where(Product.sku == wanted.sku)).first()
    if product is None:
        raise HTTPException(404, f"there is no product {wanted.sku!r}")
    order = orders.place(session, product, wanted.quantity, wanted.email)
    session.commit()
    return present(order, settings)


def show_order(reference: str, settings: Config, session: Database) -> OrderOut:
    return present(require_order(session, reference, settings), settings)


def pay_order(reference: str, settings: Config, session: Database) -> OrderOut:
    order = require_order(session, reference, settings)
    try:
        orders.pay(session, order)
    except orders.OrderError as error:
        raise HTTPException(409, str(error)) from error
    session.commit()
    return present(order, settings)


def require_order(session: Session, reference: str, settings: Settings) -> Order:
    order = orders.find(session, reference, settings.secret_key)
    if order is None:
        raise HTTPException(404, "there is no such order")
    return order


def public_fields(order: Order) -> dict:
    return {
        "id": order.id,
        "product": order.product.name,
        "quantity": order.quantity,
        "status": order.status,
        "placed_at": order.placed_at,
    }


def present(order: Order, settings: Settings) -> OrderOut:
    return OrderOut(
        **public_fields(order),
        reference=orders.reference(order.id, settings.secret_key),
        total_cents=order.total_cents,
    )
