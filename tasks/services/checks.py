"""The smoke checks themselves, with or without a flow around them."""

from __future__ import annotations

import json
import operator
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from blocks.pipeline import CommandCheck, HttpCheck, TcpCheck
from blocks.values.receipts import SmokeReceipt
from tasks.kernel.environment import smoke_environment
from tasks.kernel.errors import SluiceError, TerminalError
from tasks.kernel.logs import log
from tasks.kernel.poll import poll
from tasks.kernel.protocols import Call, Limits
from tasks.kernel.redact import process_redactor
from tasks.kernel.tls import authorities

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks.values.releases import Release
    from tasks.steps.site import Site
    from tasks.targets.target.protocol import Target

_PAUSE_SECONDS = 0.25
# Of an answer that should hold JSON.
_MOST_BYTES = 1024 * 1024


def contains(actual: Any, expected: Any) -> bool:  # noqa: ANN401 - JSON is any
    """Say whether a JSON value holds at least what is expected.

    Args:
        expected: Objects are compared key by key, lists item by item, all else for equality.

    Returns:
        True when nothing that is expected is missing.
    """
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and contains(actual[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(contains(a, e) for a, e in zip(actual, expected, strict=True))
        )
    return bool(actual == expected) and isinstance(actual, bool) == isinstance(expected, bool)


def check_all(site: Site, *, host: str, release: Release, checkout: Path | None) -> SmokeReceipt:
    """Run every check in turn, each until it passes or its time is up.

    Args:
        checkout: Where its commit is checked out on the control machine, for commands.

    Returns:
        One line per check that passed.

    Raises:
        TerminalError: A check stayed red.
    """
    began = time.monotonic()
    passed: list[str] = []
    with ExitStack() as stack:
        for check in site.policy.smoke:
            attempt, what = _prepare(site, check, host, release, checkout, stack)
            _until_green(attempt, what=what, within=check.within, host=host)
            passed.append(what)
            log().info("%s: smoke %s: green", host, what)
    return SmokeReceipt(checks=tuple(passed), seconds=time.monotonic() - began)


def _until_green(attempt: Callable[[], str], *, what: str, within: float, host: str) -> None:
    """Try a check until it answers nothing wrong."""
    wrong = poll(lambda: _wrong(attempt), operator.not_, seconds=within, every=_PAUSE_SECONDS)
    if wrong:
        raise TerminalError(
            f"smoke: {what} on {host} is red: {wrong}",
            "check the application's log; the check is under smoke in pipeline.yaml",
        )


def _wrong(attempt: Callable[[], str]) -> str:
    try:
        return attempt()
    except (httpx.HTTPError, OSError, SluiceError) as error:
        return process_redactor().text(str(error) or type(error).__name__)


def _prepare(
    site: Site,
    check: HttpCheck | TcpCheck | CommandCheck,
    host: str,
    release: Release,
    checkout: Path | None,
    stack: ExitStack,
) -> tuple[Callable[[], str], str]:
    """Return a check's attempt, and its name for people. An attempt returns what is wrong, or nothing."""
    there = site.target(host)
    if isinstance(check, HttpCheck):
        return _http(site, check, there, stack), f"{check.method} {check.http}"
    if isinstance(check, TcpCheck):
        return _tcp(check, there), f"tcp {check.tcp}"
    return _command(site, check, there, release, checkout, stack), " ".join(check.command)


def _http(site: Site, check: HttpCheck, there: Target, stack: ExitStack) -> Callable[[], str]:
    address = check.address or site.policy.address
    if address is None:
        raise TerminalError(
            f"smoke: {check.http} has no address in {site.environment}",
            "set environments.<name>.address in pipeline.yaml on the default branch",
        )
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    headers = dict(check.headers)
    headers.update({name: site.secret(block) for name, block in check.header_secrets.items()})
    base = f"{parts.scheme}://{parts.netloc}"
    extensions: dict[str, Any] = {}
    if check.via == "host":
        local = stack.enter_context(there.reach(parts.hostname or "localhost", port))
        base = f"{parts.scheme}://127.0.0.1:{local}"
        if not any(name.lower() == "host" for name in headers):
            headers["Host"] = parts.netloc
        extensions["sni_hostname"] = parts.hostname or "localhost"
    auth = _basic(site, check.basic_auth)
    direct = check.via != "host"
    client = stack.enter_context(
        httpx.Client(timeout=check.timeout, trust_env=direct, verify=authorities(trust_env=direct))
    )
    url = base + parts.path.rstrip("/") + check.http

    def attempt() -> str:
        # The application may answer without end: no more is read than is needed.
        with client.stream(check.method, url, headers=headers, auth=auth, extensions=extensions) as answer:
            if answer.status_code not in check.status:
                return f"status {answer.status_code}, expected {' or '.join(map(str, check.status))}"
            return "" if check.expected_json is None else _json_lacks(answer, check)

    return attempt


def _json_lacks(answer: httpx.Response, check: HttpCheck) -> str:
    """Return what is wrong with a JSON answer, or nothing; it is read within a bound of bytes and time."""
    deadline, read = time.monotonic() + check.timeout, bytearray()
    for piece in answer.iter_bytes():
        read += piece
        if len(read) > _MOST_BYTES:
            return f"the answer is longer than {_MOST_BYTES} bytes"
        if time.monotonic() > deadline:
            return f"the answer did not end within {check.timeout:g} s"
    try:
        body = json.loads(bytes(read))
    except (ValueError, RecursionError):
        return "the answer is not JSON"
    shown = read.decode(errors="replace")[:120]
    return "" if contains(body, check.expected_json) else f"the answer {shown} lacks what is expected"


def _basic(site: Site, block: str | None) -> httpx.BasicAuth | None:
    if block is None:
        return None
    user, _, password = site.secret(block).partition(":")
    process_redactor().add(password)
    return httpx.BasicAuth(user, password)


def _tcp(check: TcpCheck, there: Target) -> Callable[[], str]:
    name, _, port = check.tcp.rpartition(":")
    name = name.strip("[]")

    def through_host() -> str:
        with (
            there.reach(name, int(port)) as local,
            socket.create_connection(("127.0.0.1", local), check.timeout) as s,
        ):
            s.settimeout(0.3)
            try:
                # The tunnel accepts at once; a refused far end shows as an end of stream.
                return "the connection was refused" if s.recv(1, socket.MSG_PEEK) == b"" else ""
            except TimeoutError:
                return ""

    def direct() -> str:
        socket.create_connection((name, int(port)), check.timeout).close()
        return ""

    return through_host if check.via == "host" else direct


def _command(
    site: Site, check: CommandCheck, there: Target, release: Release, checkout: Path | None, stack: ExitStack
) -> Callable[[], str]:
    words = check.filled(
        address=site.policy.address or "",
        environment=site.environment,
        pipeline=site.pipeline,
        release=release.id,
        commit=release.commit.sha,
    )
    # It is the commit's own, so it finds neither the control plane's home nor its variables.
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-smoke-"))
    environment = smoke_environment(os.environ, folder)
    limits = Limits(check.timeout, check.timeout)

    def attempt() -> str:
        if check.service is not None:
            result = there.run_in(check.service, words, seconds=check.timeout, on_line=log().info)
        else:
            result = site.local.run(
                Call(words, cwd=str(checkout or folder), env=environment, alone=True, limits=limits),
                on_line=log().info,
            )
        return "" if result.ok else f"status {result.exit_code}: {result.reason()}"

    return attempt
