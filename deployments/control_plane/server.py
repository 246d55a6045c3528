"""Prefect's server, behind a look at what a request calls it.

A web page can give its own name the loopback address (DNS rebinding): the browser then takes the server here for a part
of that page, and lets it read answers. Only the `Host` of its requests tells.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import logging
import os
import re
import socket
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployments.control_plane.login import SERVER

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^\s\[\]:@/?#]+))(?::[0-9]*)?")
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
# What a browser says of a request that a page of another address has it send.
_ELSEWHERE = frozenset({b"cross-site", b"same-site"})
_SCHEMES = (b"http://", b"https://")
# A page that shows the UI within itself can have a person click there what they do not see.
_ALONE = (b"content-security-policy", b"frame-ancestors 'self'")


def host_name(host: str) -> str | None:
    """Return the name or address in a `Host` header or in a setting, as it is compared; None where there is none."""
    found = _HOST.fullmatch(host.strip().lower())
    if found is None:
        return None
    if found["address"] is None:
        return found["name"].removesuffix(".") or None
    try:
        return ipaddress.ip_address(found["address"]).compressed
    except ValueError:
        return None


def further_names(hosts: str, ui_url: str = "") -> tuple[str, ...]:
    """Return the names of a server beside those of the loopback address: hosts between commas, and its UI's."""
    given = [*hosts.split(","), urlsplit(ui_url).netloc]
    names = [name for host in given if (name := host_name(host)) is not None]
    return tuple(dict.fromkeys(name for name in names if name not in LOOPBACK_NAMES))


class Entrance:
    """Lets requests through to Prefect's server that call it by one of its names.

    Args:
        login: `user:password` that `pages` ask for, as all of the API does by itself; empty for none.
        pages: Paths beside the API and the UI.
        origins: The addresses whose pages may call it; `*` for any.
    """

    def __init__(
        self,
        server: ASGIApp,
        names: Iterable[str],
        login: str,
        pages: Collection[str],
        origins: Iterable[str],
    ) -> None:
        self._server = server
        self._names = frozenset(names)
        self._login = login
        self._pages = frozenset(pages)
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a websocket, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._server(scope, receive, send)
            return
        send = _framed_by_itself(send)
        if not self._is_called_by_name(scope):
            await _refuse(
                scope,
                send,
                400,
                f"This server answers only to the names {', '.join(sorted(self._names))}.\n"
                "Another one, such as a proxy's, is set with SLUICE_API_HOSTS for `sluice up`.\n",
            )
        elif self._is_sent_by_a_foreign_page(scope):
            await _refuse(
                scope,
                send,
                403,
                "This server takes no changes from the pages of another address.\n"
                "Its own is set with SLUICE_PREFECT_UI_URL for `sluice up`.\n",
            )
        elif not self._may_pass(scope):
            # For a page the browser then asks the person; the UI has a form of its own.
            asks = [(b"www-authenticate", b'Basic realm="Prefect"')] if self._is_page(scope) else []
            why = "Prefect's API asks for its login: PREFECT_API_AUTH_STRING, or SLUICE_HOME/api-login.\n"
            await _refuse(scope, send, 401, why, *asks)
        else:
            await self._server(scope, receive, send)

    def _is_page(self, scope: Scope) -> bool:
        return scope["path"].rstrip("/") in self._pages

    def _is_sent_by_a_foreign_page(self, scope: Scope) -> bool:
        """Say so of a change: a browser that was told the login, for `/docs`, adds it to such a request by itself."""
        if scope["type"] != "http" or scope["method"] in _READING or b"*" in self._origins:
            return False
        sites, origins = _values(scope, b"sec-fetch-site"), _values(scope, b"origin")
        if sites:
            return not _ELSEWHERE.isdisjoint(sites) and not self._origins.issuperset(origins or [b""])
        # An old browser, or one that was sent to a name without TLS, tells the page's address alone.
        own = {*self._origins, *(scheme + host for scheme in _SCHEMES for host in _values(scope, b"host"))}
        return not own.issuperset(origins)

    def _is_called_by_name(self, scope: Scope) -> bool:
        hosts = _values(scope, b"host")
        return len(hosts) == 1 and host_name(hosts[0].decode("latin-1")) in self._names

    def _may_pass(self, scope: Scope) -> bool:
        given = _values(scope, b"authorization")
        if not self._login or not self._is_page(scope):
            return not any(map(_trips_prefect, given))
        wanted = b"Basic " + base64.b64encode(self._login.encode())
        return len(given) == 1 and hmac.compare_digest(given[0], wanted)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]


def _trips_prefect(authorization: bytes) -> bool:
    """Say whether a login has more than ASCII in it: comparing it, Prefect's server fails in place of refusing it."""
    try:
        return not base64.b64decode(authorization.partition(b" ")[2]).isascii()
    except ValueError:
        return False


def _framed_by_itself(send: Send) -> Send:
    """Have each answer say that pages of the own address alone may show it within themselves."""

    async def framed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _ALONE]}
        await send(message)

    return framed


async def _refuse(scope: Scope, send: Send, status: int, why: str, *more: tuple[bytes, bytes]) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted this is a plain refusal.
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    body = why.encode()
    headers = [_PLAIN, (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})


def own_pages(app: FastAPI) -> set[str]:
    """Return the pages of a server that describe its API: they lie beside the API, which asks for the login."""
    found = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    return {path for path in found if path}


def level_of_the_wire(level: str) -> int:
    """Return the level of what logs requests: below INFO it logs all that was sent, the login as well."""
    return max(logging.INFO, logging.getLevelNamesMapping()[level])


def serve(numbers: Iterable[int]) -> None:
    """Run Prefect's server as `prefect server start` does, until it is told to end.

    Args:
        numbers: The sockets it listens on, which whoever started it has opened.
    """
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    from blocks.settings import Settings

    server = get_current_settings().server
    app = create_app(final=True)
    names = (*LOOPBACK_NAMES, *further_names(Settings().api_hosts))
    config = uvicorn.Config(
        Entrance(
            app,
            names,
            os.environ.get(SERVER, ""),
            own_pages(app),
            server.api.cors_allowed_origins.split(","),
        ),
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
        log_level=level_of_the_wire(server.logging_level),
    )
    running = uvicorn.Server(config)
    running.run([socket.socket(fileno=number) for number in numbers])
    if not running.started:
        raise SystemExit(1)
