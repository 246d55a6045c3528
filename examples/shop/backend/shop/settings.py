"""What the environment says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


class SettingsError(Exception):
    """The environment lacks something, or holds something unusable."""


@dataclass(frozen=True)
class Settings:
    database_url: str
    secret_key: str
    environment: str = "development"
    release: str = "unreleased"
    currency: str = "EUR"
    order_ttl: timedelta = timedelta(minutes=15)
    log_level: str = "info"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        missing = [key for key in ("DATABASE_URL", "SHOP_SECRET_KEY") if not environ.get(key)]
        if missing:
            raise SettingsError(f"{' and '.join(missing)} must be set; see .env.example")
        settings = cls(
            database_url=environ["DATABASE_URL"],
            secret_key=environ["SHOP_SECRET_KEY"],
            environment=environ.get("SHOP_ENVIRONMENT", cls.environment),
            release=environ.get("SHOP_RELEASE", cls.release),
            currency=environ.get("SHOP_CURRENCY", cls.currency),
            order_ttl=timedelta(seconds=int(environ.get("SHOP_ORDER_TTL_SECONDS", "900"))),
            log_level=environ.get("SHOP_LOG_LEVEL", cls.log_level),
        )
        if settings.secret_key == "changethis" and settings.environment != "development":
            raise SettingsError("SHOP_SECRET_KEY still has its example's value; set a random one")
        return settings
