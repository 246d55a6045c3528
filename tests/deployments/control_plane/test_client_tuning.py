"""What is changed in Prefect's clients before there are any."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
    temporary_settings,
)

from deployments.control_plane.client_tuning import share_certificates

API = "http://127.0.0.1:1/api"


@pytest.fixture(params=[PrefectClient, SyncPrefectClient])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A kind of client, tuned."""
    for kind in (PrefectClient, SyncPrefectClient):
        monkeypatch.setattr(kind, "__init__", kind.__init__)
    share_certificates()
    return request.param


def trusted(client: Any) -> ssl.SSLContext:
    context = client._client._transport._pool._ssl_context
    assert isinstance(context, ssl.SSLContext)
    return context


def test_clients_share_what_they_trust(client: Any) -> None:
    first, second = client(API), client(API, api_version="1")
    assert trusted(first) is trusted(second)
    assert trusted(first).verify_mode is ssl.CERT_REQUIRED
    assert trusted(first).cert_store_stats()["x509_ca"] > 0


def test_a_client_keeps_what_it_is_given(client: Any) -> None:
    own = ssl.create_default_context()
    assert trusted(client(API, httpx_settings={"verify": own})) is own


def test_who_wants_no_verification_gets_none(client: Any) -> None:
    with temporary_settings({PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True}):
        assert trusted(client(API)).verify_mode is ssl.CERT_NONE


def test_an_authority_of_ones_own_is_the_one_that_counts(client: Any, tmp_path: Path) -> None:
    text = Path(certifi.where()).read_text()
    one = tmp_path / "one.pem"
    one.write_text(text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")
    with temporary_settings({PREFECT_API_SSL_CERT_FILE: str(one)}):
        assert trusted(client(API)).cert_store_stats()["x509_ca"] == 1
