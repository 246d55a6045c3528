"""The certificate authorities that HTTP clients trust."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl


@lru_cache
def authorities(*, trust_env: bool = True) -> ssl.SSLContext:
    """Return the trusted authorities, read once per process: a client of its own reads the whole file each time.

    Args:
        trust_env: Take the ones `SSL_CERT_FILE` or `SSL_CERT_DIR` name, where they do.

    Returns:
        What httpx takes as `verify`; clients may share it.
    """
    return httpx.create_ssl_context(trust_env=trust_env)
