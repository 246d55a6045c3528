"""What Prefect has no setting for, and its many short-lived clients need."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any


def share_certificates() -> None:
    """Let all of Prefect's clients of this process use one set of certificate authorities.

    Prefect makes a client for almost each thing it says to its server, and every client reads the whole file of
    authorities anew: hundredths of a second of pure computing each time, for connections that on the loopback address
    are not encrypted at all. The set is still the one Prefect would take; a client that is given its own keeps it.
    """
    from prefect.client.orchestration import PrefectClient, SyncPrefectClient

    for client in (PrefectClient, SyncPrefectClient):
        _wrap(client)
    # Read here once for all copies of this process.
    _shared()


def _wrap(client: type[Any]) -> None:
    first = client.__init__

    def initialize(
        self: object, api: object, *, httpx_settings: dict[str, Any] | None = None, **options: object
    ) -> None:
        given = httpx_settings or {}
        shared = {} if "verify" in given else _shared()
        first(self, api, httpx_settings={**shared, **given}, **options)

    client.__init__ = initialize


def _shared() -> dict[str, ssl.SSLContext]:
    from prefect.settings import get_current_settings

    settings = get_current_settings().api
    # Who wants no verification gets what Prefect makes of it.
    return (
        {} if settings.tls_insecure_skip_verify else {"verify": _context(str(settings.ssl_cert_file or ""))}
    )


@lru_cache
def _context(file: str) -> ssl.SSLContext:
    import certifi

    return ssl.create_default_context(cafile=file or certifi.where())
