"""What several blocks share."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr

from blocks.ssh_keys import mend_private_key

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class SluiceBlock(Block):
    """A block of Sluice's; its docstring is what people read about it in Prefect's UI."""

    # A validation error must not print the input: it may be the secret that was mistyped. What an older version
    # saved and this one does not know is passed over, so that an upgrade can still load it.
    model_config = ConfigDict(hide_input_in_errors=True, extra="ignore")


def _blank_to_none(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if text == "" else value


def _with_its_lines(value: SecretStr | None) -> SecretStr | None:
    return None if value is None else SecretStr(mend_private_key(value.get_secret_value()))


OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_to_none)]
PrivateKey = Annotated[SecretStr, AfterValidator(_with_its_lines)]
OptionalPrivateKey = Annotated[OptionalSecret, AfterValidator(_with_its_lines)]


def host_name(value: str) -> str:
    """Check a host's name or IP address."""
    if not _HOST.fullmatch(value):
        raise ValueError("expected a host name or an IP address, without user, port or scheme")
    return value


def one_line(value: str) -> str:
    """Check that text is one line that no program takes for an option."""
    if _CONTROL.search(value) or value.startswith("-"):
        raise ValueError("expected one line of text that does not begin with a dash")
    return value


HostName = Annotated[str, AfterValidator(host_name)]
OneLine = Annotated[str, AfterValidator(one_line)]


def is_web_address(value: str) -> bool:
    """Say whether text is an http or https address."""
    try:
        parts = urlsplit(value)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not re.search(r"[\x00-\x20\x7f]", value)
    return valid_port and plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
