import pytest

from shop.settings import Settings, SettingsError

GIVEN = {"DATABASE_URL": "sqlite://", "SHOP_SECRET_KEY": "changethis"}


def test_the_example_key_serves_development():
    assert Settings.from_environment(GIVEN).environment == "development"


def test_the_example_key_is_refused_elsewhere():
    with pytest.raises(SettingsError, match="SHOP_SECRET_KEY"):
        Settings.from_environment({**GIVEN, "SHOP_ENVIRONMENT": "prod"})


def test_what_is_missing_is_named():
    with pytest.raises(SettingsError, match="DATABASE_URL and SHOP_SECRET_KEY"):
        Settings.from_environment({})
