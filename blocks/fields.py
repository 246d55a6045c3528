"""What the fields of several blocks share."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, SecretStr

# A validation error must not print the input: it may be the secret that was mistyped. What an older version
# saved and this one does not know is passed over, so that an upgrade can still load it.
BLOCK_CONFIG = ConfigDict(hide_input_in_errors=True, extra="ignore")

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def blank_to_none(value: object) -> object:
    """Take an empty form field as not given."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if text == "" else value


OptionalSecret = Annotated[SecretStr | None, BeforeValidator(blank_to_none)]


def host_name(value: str) -> str:
    """Check a host's name or IP address."""
    if not _HOST.fullmatch(value):
        message = "expected a host name or an IP address, without user, port or scheme"
        raise ValueError(message)
    return value


def one_line(value: str) -> str:
    """Check that text is one line that no program takes for an option."""
    if _CONTROL.search(value) or value.startswith("-"):
        message = "expected one line of text that does not begin with a dash"
        raise ValueError(message)
    return value


def is_web_address(value: str) -> bool:
    """Say whether text is an http or https address."""
    try:
        parts = urlsplit(value)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not re.search(r"[\x00-\x20\x7f]", value)
    return valid_port and plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
