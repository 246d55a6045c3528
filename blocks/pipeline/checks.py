"""Checks of text that reaches git, HTTP or a file system. Each says what it expected."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

GLOB_CHARACTERS = frozenset("*?[")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BRANCH_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")
_GLOB_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:\\]|\.\.|@\{|//")


def relative_path(value: str) -> str:
    """Check that a path stays inside the folder it is relative to, and normalise it."""
    path = PurePosixPath(value)
    bad = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or value.startswith(("-", "~"))
        or ":" in value
        or "\\" in value
        or _CONTROL.search(value)
    )
    if bad:
        raise ValueError('expected a relative path inside the folder, without "..", ":" or a leading "-"')
    # A leading "./" may hide a leading "-", which a program would read as an option.
    return relative_path(str(path)) if str(path) != value else value


def mount_source(value: str) -> str:
    """Check and normalise a mount's source, relative to the compose files' folder, which itself is `.`."""
    return "." if value and not PurePosixPath(value).parts else relative_path(value)


def web_address(value: str) -> str:
    """Check an http or https address without credentials; a trailing slash is dropped."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    bad = parts.scheme not in {"http", "https"} or not parts.hostname or port == 0
    if bad or parts.query or parts.fragment or re.search(r"[\x00-\x20\x7f\\<>\"]", value):
        raise ValueError("expected an address such as https://shop.example.com or http://localhost:8080")
    if "@" in parts.netloc:
        raise ValueError("expected an address without user and password (basic_auth names a Secret block)")
    return value.rstrip("/")


def socket_address(value: str) -> str:
    """Check `host:port`; the host is a name or an address, IPv6 in brackets."""
    match = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", value)
    if not match or value.startswith("-") or not 1 <= int(match[1]) <= 65535:  # noqa: PLR2004
        raise ValueError('expected "host:port", such as "localhost:5432"')
    return value


def branch_name(value: str) -> str:
    """Check that git would take the text as a branch's name."""
    if not value or value.startswith(("-", "/", ".")) or value.endswith(("/", ".")):
        bad = True
    else:
        bad = bool(_BRANCH_FORBIDDEN.search(value)) or value == "@"
    if bad:
        raise ValueError("expected the name of one branch, such as main")
    return value


def ref_pattern(value: str) -> str:
    """Check a name of branches or tags in which `*`, `?` and `[…]` may stand for other characters."""
    if not value or value.startswith(("-", "/")) or value.endswith("/") or _GLOB_FORBIDDEN.search(value):
        raise ValueError("expected a branch or tag, or a pattern such as feature/* or v*")
    return value


def plain_text(value: str) -> str:
    """Check that text has no control characters."""
    if _CONTROL.search(value):
        raise ValueError("expected one line of text without control characters")
    return value
