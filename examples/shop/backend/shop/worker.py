"""Sets goods aside for queued orders. Any number of workers may run."""

import logging
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shop import loop, orders
from shop.database import connect
from shop.settings import Settings

log = logging.getLogger(__name__)


def work(engine: Engine) -> bool:
    with Session(engine) as session, session.begin():
        order = orders.reserve_next(session, datetime.now(UTC))
        if order is not None:
            log.info("order %s is %s", order.id, order.status)
        return order is not None


def main() -> None:
    settings = Settings.from_environment()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    engine = connect(settings.database_url)
    loop.run(lambda: work(engine), pause_seconds=2)


if __name__ == "__main__":
    main()
