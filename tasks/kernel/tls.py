"""The certificate authorities that HTTP clients trust."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl

_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def authorities(*, trust_env: bool = True) -> ssl.SSLContext:
    """Return the trusted authorities, read once per process: a client of its own reads the whole file each time.

    A process that is a copy of another has what that one read, unless its environment names other files.

    Args:
        trust_env: Take the ones `SSL_CERT_FILE` or `SSL_CERT_DIR` name, where they do.
    """
    return _read(trust_env, tuple(map(os.environ.get, _NAMED_BY)))


@lru_cache
def _read(trust_env: bool, _named: tuple[str | None, ...]) -> ssl.SSLContext:  # noqa: FBT001 - the cache's key
    return httpx.create_ssl_context(trust_env=trust_env)
