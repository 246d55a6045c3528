"""A small web server for tests: answers as told, and keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Web:
    """A running server.

    Attributes:
        address: Host and port.
        asked: The requests, oldest first.
        reply: Says what a request is answered.
    """

    address: str
    asked: list[Asked]
    reply: Callable[[Asked], Reply]

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Answer with each of these in turn, with the last one for ever."""
    rest = list(replies)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


@contextmanager
def serve(reply: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Run a server for the time of a `with` block, with `tls` one that speaks HTTPS."""
    web = Web("", [], reply)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            web.asked.append(asked)
            found = web.reply(asked)
            self.send_response(found.status)
            for name, value in ({"Content-Length": str(len(found.body))} | found.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "HEAD", "PUT", "POST"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    web.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Endless(StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            asked = self.rfile.readline()
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            )
            while not asked.startswith(b"HEAD"):
                self.wfile.write(b"data: x\n\n")
                time.sleep(0.1)


@contextmanager
def endless() -> Iterator[str]:
    """Run a server whose answers do not end, a few bytes at a time; yields its address."""
    with ThreadingTCPServer(("127.0.0.1", 0), _Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
