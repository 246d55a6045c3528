"""Payloads of GitHub's webhooks, in the shape of its published schemas (octokit/webhooks), trimmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "github"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
EVENTS = (
    "push",
    "pull_request_review",
    "pull_request",
    "workflow_run",
    "check_suite",
    "release",
    "issue_comment",
    "ping",
)


def payload(name: str) -> dict[str, Any]:
    """Return a payload anew."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found


def event_of(name: str) -> str:
    """Return GitHub's name of the event a payload is of."""
    return next(event for event in EVENTS if name.startswith(event))
