"""GitHub's side of a webhook: signed requests, as its documentation describes them."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any

from blocks.github_webhooks import GitHubWebhooks
from tests.data import event_of, payload

SECRET, OLD_SECRET = "a-secret-of-the-tests-1", "a-secret-of-the-tests-0"
REPOSITORY = "acme/shop"
BLOCK = GitHubWebhooks(secrets=[SECRET, OLD_SECRET], repositories={REPOSITORY: "default"})


def body_of(name: str, **changes: Any) -> bytes:
    """Return the body of a stored payload, with changes."""
    return json.dumps({**payload(name), **changes}).encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the signature header's value."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes, event: str = "push", delivery: str = "", **changes: str | None) -> dict[str, str]:
    """Return the headers of a delivery; None leaves one out, `_` stands for `-`."""
    found = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0000000",
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "1099",
        "X-Hub-Signature-256": sign(body),
    }
    for name, value in changes.items():
        key = name.replace("_", "-")
        if value is None:
            del found[key]
        else:
            found[key] = value
    return found


def delivery_of(name: str, delivery: str = "", **changes: Any) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a stored payload."""
    body = body_of(name, **changes)
    return body, headers(body, event_of(name), delivery)
