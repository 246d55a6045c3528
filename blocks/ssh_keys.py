"""SSH keys as people paste them into a form: read, mended, checked."""

from __future__ import annotations

import base64
import io
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import PKey

_PUBLIC_KEY = re.compile(r"(?:^|\s)(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa)\s+([^\s,]+)")
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


def mend_private_key(text: str) -> str:
    """Give a private key its line breaks back; an error, a ValueError, holds nothing of the key."""
    match = _PRIVATE_KEY.search(text)
    if not match:
        raise ValueError("expected a private key, from -----BEGIN … PRIVATE KEY----- to its -----END line")
    kind, body = match[1], match[2].replace("\\n", "\n").replace("\r", "")
    if "Proc-Type" not in body:
        body = "\n".join(textwrap.wrap("".join(body.split()), 64))
    elif "\n" not in body.strip():
        raise ValueError("this old PEM key lost its line breaks — convert it with: ssh-keygen -p -f KEYFILE")
    return f"-----BEGIN {kind}-----\n{body.strip()}\n-----END {kind}-----\n"


def read_private_key(text: str, passphrase: str | None = None) -> PKey:
    """Read a private key for use with paramiko; an error, a ValueError, holds nothing of the key."""
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase)
        except paramiko.PasswordRequiredException:
            raise ValueError("the private key is encrypted — give its passphrase") from None
        except Exception:  # noqa: BLE001, S112 - paramiko lets through whatever its parsers raise
            continue
    message = "the private key is not a readable Ed25519, ECDSA or RSA key, or its passphrase is wrong"
    hint = " — convert it with: ssh-keygen -p -f KEYFILE" if "BEGIN PRIVATE KEY" in text else ""
    raise ValueError(message + hint)


def parse_host_keys(text: str) -> tuple[str, ...]:
    """Read pinned host keys.

    Args:
        text: Keys, one on each line, as in the server's `/etc/ssh/ssh_host_*_key.pub`, in a known_hosts file,
            or as ssh-keyscan prints them. Lines that a form joined are told apart.

    Returns:
        The keys as `type base64`, without host names and comments.
    """
    lines = [line.strip() for line in text.splitlines()]
    keys = [key for line in lines if line and not line.startswith("#") for key in _host_keys(line)]
    if not keys:
        raise ValueError("expected a host key, such as ssh-ed25519 AAAA…")
    return tuple(dict.fromkeys(keys))


def _host_keys(line: str) -> list[str]:
    found = _PUBLIC_KEY.findall(line)
    if not found:
        # The line is not repeated: it may be a private key in the wrong field.
        raise ValueError("expected a host key, such as ssh-ed25519 AAAA…, on every line")
    for kind, blob in found:
        if not _is_public_key(kind, blob):
            raise ValueError(f"the {kind} host key is cut off or mistyped — copy its whole line")
    return [f"{kind} {blob}" for kind, blob in found]


def _is_public_key(kind: str, blob: str) -> bool:
    from paramiko import PKey

    try:
        data = base64.b64decode(blob, validate=True)
        key = PKey.from_type_string(kind, data)
    except Exception:  # noqa: BLE001 - paramiko lets through whatever its parsers raise
        return False
    return bool(key.asbytes() == data)
