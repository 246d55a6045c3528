"""Whether a request is a delivery of GitHub about a repository we know: pure, on the raw body."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from blocks.github_webhooks import GitHubWebhooks
from blocks.values.base import Value
from blocks.values.deliveries import Arrived
from flows.domain.triggers.events import (
    Event,
    MalformedPayloadError,
    former_name_of,
    read_event,
    repository_of,
)
from flows.domain.words.text import one_line

# GitHub sends no more than that: larger payloads are not delivered at all.
LARGEST_BODY_BYTES = 25 * 2**20

_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_DELIVERY = re.compile(r"[A-Za-z0-9-]{1,64}")
_EVENT = re.compile(r"[a-z_]{1,64}")
_JSON = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)


class RefusedRequestError(Exception):
    """A request that is not taken in.

    Args:
        status: The answer's status, never 5xx.
        said: The answer: fixed words, nothing of the request.
        repository: The repository a signed delivery is about that is not configured; only the log has it.
    """

    def __init__(self, status: HTTPStatus, said: str, repository: str = "") -> None:
        self.status = status
        self.said = said
        self.repository = repository
        super().__init__(said)


class Head(Value):
    """What the headers of a delivery say: GitHub's id of it, the event's name, the signature in hex."""

    delivery: str
    event: str
    signature: str


def read_head(headers: Iterable[tuple[str, str]]) -> Head:
    """Read a delivery's headers, named in lower case; a header that is there twice has no meaning."""
    found = list(headers)
    signature = _only(found, "x-hub-signature-256")
    if signature is None or not _SIGNATURE.fullmatch(signature):
        raise RefusedRequestError(
            HTTPStatus.UNAUTHORIZED, "X-Hub-Signature-256 is missing or not a sha256 signature"
        )
    if _only(found, "content-encoding") not in {None, "identity"}:
        raise RefusedRequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not accepted")
    if not _JSON.fullmatch((_only(found, "content-type") or "").strip()):
        raise RefusedRequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "choose the content type application/json in the webhook"
        )
    delivery, event = _only(found, "x-github-delivery") or "", _only(found, "x-github-event") or ""
    if not _DELIVERY.fullmatch(delivery) or not _EVENT.fullmatch(event):
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "X-GitHub-Delivery or X-GitHub-Event is missing")
    length = _only(found, "content-length")
    if length is not None and length.isdecimal() and _is_above(length, LARGEST_BODY_BYTES):
        raise too_large()
    return Head(delivery=delivery, event=event, signature=signature.removeprefix("sha256="))


def _is_above(digits: str, most: int) -> bool:
    return len(digits.lstrip("0")) > len(str(most)) or int(digits) > most


def too_large() -> RefusedRequestError:
    """Return the refusal of a body that is larger than GitHub sends."""
    return RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than 25 MB")


def accept(head: Head, body: bytes, block: GitHubWebhooks) -> Arrived:
    """Verify a delivery and read it. Nothing of the body is looked at before its signature holds."""
    if not signature_holds(head.signature, body, block.keys()):
        raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, "the signature is not valid")
    payload = _parsed(body)
    name = repository_of(payload)
    repository, moved = block.known_as(name), ""
    if repository is None:
        repository = block.known_as(former_name_of(payload))
        moved = f"the repository is {one_line(name, 140)} now: set that name in its blocks"
    if repository is None:
        raise RefusedRequestError(
            HTTPStatus.FORBIDDEN, "the repository is not configured here", one_line(name, 140)
        )
    event, refusal = _event(head.event, payload)
    return Arrived(
        delivery=head.delivery,
        event=head.event,
        action=event.action,
        repository=repository,
        ref=event.ref if event.ref.startswith("refs/") and not event.foreign else "",
        sha=event.sha,
        number=event.number,
        sender=event.sender,
        digest=hashlib.sha256(body).hexdigest(),
        facts=event.to_json(),
        refusal=moved or refusal,
    )


def signature_holds(signature: str, body: bytes, keys: Sequence[bytes]) -> bool:
    """Say whether one of the secrets signed a body. It takes as long whichever did, and whether one did."""
    holds = False
    for key in keys:
        expected = hmac.new(key, body, hashlib.sha256).hexdigest()
        holds |= hmac.compare_digest(expected, signature)
    return holds


def _only(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, f"{name} occurs more than once")
    return values[0] if values else None


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8"))
    # RecursionError: it is nested deeper than Python reads.
    except (ValueError, RecursionError):
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "the body is not readable as JSON") from None


def _event(name: str, payload: object) -> tuple[Event, str]:
    try:
        event = read_event(name, payload)
    except MalformedPayloadError as error:
        event = Event(name=name, refusal=str(error))
    return event, event.refusal
