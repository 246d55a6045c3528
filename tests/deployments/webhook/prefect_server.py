"""A real Prefect server with deployments, and a way to it that can be cut."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from deployments.control_plane.login import CLIENT

DEPLOYMENTS = (
    *(f"{flow}/{name}" for flow in ("promote", "rollback") for name in ("feature", "staging", "prod")),
    "tend/pull-requests",
)


def login() -> httpx.BasicAuth:
    """Return the login this process's environment has."""
    user, _, password = os.environ[CLIENT].partition(":")
    return httpx.BasicAuth(user, password)


def deploy(url: str) -> None:
    """Make the deployments, as `prefect deploy` does; no worker takes their runs."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60, auth=login()) as client:
        for one in DEPLOYMENTS:
            flow, name = one.split("/")
            identifier = client.post("/flows/", json={"name": flow}).raise_for_status().json()["id"]
            wanted = {"name": name, "flow_id": identifier, "enforce_parameter_schema": False}
            client.post("/deployments/", json=wanted).raise_for_status()


def runs_of(url: str) -> list[dict[str, Any]]:
    """Return every flow run, the oldest first."""
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=url, trust_env=False, timeout=60, auth=login()) as client:
        while True:
            wanted = {"sort": "START_TIME_ASC", "limit": 200, "offset": len(found)}
            page = client.post("/flow_runs/filter", json=wanted).raise_for_status().json()
            found += page
            if len(page) < 200:
                return sorted(found, key=lambda run: str(run["created"]))


@dataclass
class Gate:
    """A way to Prefect's API that can be cut.

    Attributes:
        target: The real API's address.
        url: The address of this way.
        mode: `open`; `down` answers 503; `lost` passes requests on and answers 503, as when the answer got lost.
        asked: The paths that were asked for.
    """

    target: str
    url: str = ""
    mode: str = "open"
    asked: list[str] = field(default_factory=list)


@contextmanager
def gate_to(target: str) -> Iterator[Gate]:
    """Open a way to an API."""
    gate = Gate(target)
    client = httpx.Client(trust_env=False, timeout=60)

    class Passing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            gate.asked.append(self.path)
            status, text = 503, b"{}"
            if gate.mode != "down":
                kept = {
                    "Content-Type": self.headers.get("Content-Type") or "application/json",
                    "Authorization": self.headers.get("Authorization") or "",
                }
                answer = client.request(
                    self.command, target.removesuffix("/api") + self.path, content=body, headers=kept
                )
                if gate.mode == "open":
                    status, text = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    gate.url = f"http://127.0.0.1:{server.server_port}/api"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()
