"""Fixtures of all tests: the lab, and the example application on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.fixtures import clean_servers, lab, postgres_server, postgres_url
from tests.lab.lab import Lab
from tests.lab.scene import Scene, open_scene

# A busy machine is slow, not wrong.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluice")

__all__ = ["clean_servers", "lab", "postgres_server", "postgres_url", "scene"]


@pytest.fixture(scope="module")
def scene(lab: Lab) -> Iterator[Scene]:
    """The example application between its repository and fresh servers, with Prefect and its worker."""
    with open_scene(lab) as opened:
        yield opened
