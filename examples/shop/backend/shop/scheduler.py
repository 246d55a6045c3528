"""Lets orders expire that nobody paid."""

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shop import loop, orders
from shop.database import connect
from shop.settings import Settings

log = logging.getLogger(__name__)


def expire(engine: Engine, ttl: timedelta) -> bool:
    with Session(engine) as session, session.begin():
        for order in orders.expire_unpaid(session, datetime.now(UTC) - ttl):
            log.info("order %s expired unpaid", order.id)
    return False


def main() -> None:
    settings = Settings.from_environment()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    engine = connect(settings.database_url)
    loop.run(lambda: expire(engine, settings.order_ttl), pause_seconds=10)


if __name__ == "__main__":
    main()
