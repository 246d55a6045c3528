"""The ASGI application: every answer, and what it stands for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect

from blocks.github_webhooks import GitHubWebhooks
from deployments.control_plane.environment import WEBHOOKS_PATH as PATH
from deployments.webhook.accept import (
    LARGEST_BODY_BYTES,
    Head,
    RefusedRequestError,
    accept,
    read_head,
    signature_holds,
    too_large,
)
from deployments.webhook.intake import Intake
from deployments.webhook.metrics import Metrics
from tasks.kernel.errors import SluiceError
from tasks.ledger.deliveries import Taken

# GitHub itself gives up after ten seconds.
READ_SECONDS = 10.0
# Bodies that are being read at one time, all together; a body nobody signed must not fill the memory.
MOST_BYTES = 4 * LARGEST_BODY_BYTES
# Smaller ones are verified and read at once; larger ones beside the others.
_LARGE_BYTES = 256 * 2**10
# An organisation's webhook may be about any number of repositories.
_MOST_UNKNOWN = 100

__all__ = ["PATH", "Receiver", "create_app"]

_log = logging.getLogger(__name__)


@dataclass
class Receiver:
    """What the application works with.

    Attributes:
        configuration: Returns secrets and repositories; None while they could not be read.
        ailing: Says what is wrong, empty when all is well.
        bytes_held: How many bytes of bodies are being read.
        unknown: Repositories of signed deliveries that are not configured, each logged once.
    """

    configuration: Callable[[], GitHubWebhooks | None]
    intake: Intake
    metrics: Metrics
    ailing: Callable[[], str] = lambda: ""
    bytes_held: int = 0
    unknown: set[str] = field(default_factory=set)


def create_app(receiver: Receiver) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="Sluice", docs_url=None, redoc_url=None, openapi_url=None)

    async def github(request: Request) -> Response:
        began = time.monotonic()
        status, said = await _answered(receiver, request)
        receiver.metrics.answers.labels(str(status.value)).inc()
        receiver.metrics.seconds.observe(time.monotonic() - began)
        # The rest of a body that is refused is not read: the connection ends with it.
        headers = {"Connection": "close"} if status >= HTTPStatus.BAD_REQUEST else None
        return JSONResponse({"answer": said}, status.value, headers)

    # A plain route: nothing is left to parse or inject, which costs as much as the rest.
    app.add_route(PATH, github, methods=["POST"])

    @app.get("/healthz")
    async def health() -> Response:
        ailing = await asyncio.to_thread(receiver.ailing)
        status = HTTPStatus.SERVICE_UNAVAILABLE if ailing else HTTPStatus.OK
        return JSONResponse({"answer": ailing or "ok"}, status.value)

    @app.get("/metrics")
    async def metrics() -> Response:
        try:
            text = await asyncio.to_thread(receiver.metrics.text)
        except SluiceError as error:
            return JSONResponse({"answer": error.what}, HTTPStatus.SERVICE_UNAVAILABLE.value)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app


_TAKEN: dict[Taken, tuple[HTTPStatus, str]] = {
    "stored": (HTTPStatus.ACCEPTED, "stored"),
    "repeated": (HTTPStatus.OK, "known already: nothing happens"),
    "copied": (HTTPStatus.OK, "a copy of another delivery: nothing happens"),
}


async def _answered(receiver: Receiver, request: Request) -> tuple[HTTPStatus, str]:
    try:
        return await _taken_in(receiver, request)
    except RefusedRequestError as refused:
        _tell_unknown(receiver, refused.repository)
        return refused.status, refused.said
    except TimeoutError:
        return HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time"
    except ClientDisconnect:
        return HTTPStatus.BAD_REQUEST, "the connection ended"
    except SluiceError as error:
        _log.error("a delivery was not stored: %s", error)
        return HTTPStatus.SERVICE_UNAVAILABLE, "the ledger cannot be written: send it again later"


def _tell_unknown(receiver: Receiver, repository: str) -> None:
    """Log a repository nobody named: who knows the secret may be one of ours under a new name."""
    if not repository or repository in receiver.unknown or len(receiver.unknown) >= _MOST_UNKNOWN:
        return
    receiver.unknown.add(repository)
    block = receiver.configuration()
    _log.warning(
        "a signed delivery about %s was refused: the block github-webhooks has %s. If one of them was renamed or given "
        "away, set its new name in the blocks github, git-repository and github-webhooks",
        repository,
        ", ".join(block.repositories) if block else "nothing",
    )


async def _taken_in(receiver: Receiver, request: Request) -> tuple[HTTPStatus, str]:
    head = read_head(_headers(request))
    block = receiver.configuration()
    if block is None:
        return HTTPStatus.SERVICE_UNAVAILABLE, "not configured yet: send it again later"
    async with asyncio.timeout(READ_SECONDS):
        body = await _body(receiver, request)
    if head.event == "ping":
        return _pong(head, body, block)
    large = len(body) > _LARGE_BYTES
    arrived = await asyncio.to_thread(accept, head, body, block) if large else accept(head, body, block)
    return _TAKEN[await receiver.intake.store(arrived)]


def _headers(request: Request) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]


def _pong(head: Head, body: bytes, block: GitHubWebhooks) -> tuple[HTTPStatus, str]:
    """Answer a ping. One of an organisation's webhook is about no repository."""
    if not signature_holds(head.signature, body, block.keys()):
        return HTTPStatus.UNAUTHORIZED, "the signature is not valid"
    return HTTPStatus.OK, "pong"


async def _body(receiver: Receiver, request: Request) -> bytes:
    """Read the body as it comes, and no more of it than may be."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            receiver.bytes_held += len(part)
            if size > LARGEST_BODY_BYTES:
                raise too_large()
            if receiver.bytes_held > MOST_BYTES:
                raise RefusedRequestError(HTTPStatus.TOO_MANY_REQUESTS, "too many large bodies at once")
        return b"".join(parts)
    finally:
        receiver.bytes_held -= size
