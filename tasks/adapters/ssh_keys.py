"""The keys of an SSH login: the private one, and the host keys that are pinned."""

from __future__ import annotations

import base64

import paramiko

from blocks.ssh_keys import mend_private_key, parse_host_keys, read_private_key
from tasks.kernel.errors import TerminalError


def private_key(text: str, passphrase: str | None, host: str) -> paramiko.PKey:
    """Read a private key as `ssh-keygen` writes it.

    Args:
        text: The key's text; line ends of any kind, as pasted into a form.
    """
    try:
        return read_private_key(mend_private_key(text), passphrase)
    except ValueError as error:
        raise TerminalError(
            f"the private key of host {host} cannot be used: {error}", "correct it in the host's block"
        ) from None


def pinned_keys(text: str, host: str) -> tuple[paramiko.PKey, ...]:
    """Read pinned host keys, one a line: `ssh-ed25519 AAAA…`, or as `ssh-keyscan` prints them.

    The name in front of a key is passed over: the keys are for this host whatever address it has.
    """
    try:
        pairs = [line.split() for line in parse_host_keys(text)]
    except ValueError as error:
        raise TerminalError(
            f"the pinned host keys of host {host} cannot be used: {error}",
            "put the content of /etc/ssh/ssh_host_ed25519_key.pub on the server into the host's block",
        ) from None
    return tuple(paramiko.PKey.from_type_string(kind, base64.b64decode(blob)) for kind, blob in pairs)


def algorithms(keys: tuple[paramiko.PKey, ...]) -> frozenset[str]:
    """Return the host key algorithms that lead to one of the pinned keys.

    Only these are offered, so that a server with keys of several kinds shows the one that is pinned.
    """
    names = {key.get_name() for key in keys}
    if "ssh-rsa" in names:
        names |= {"rsa-sha2-512", "rsa-sha2-256"}
    return frozenset(names - {"ssh-rsa"})
