"""Reads the keys of an SSH login: the private one, and the host keys that are pinned."""

from __future__ import annotations

import base64
import binascii
import io

import paramiko
from paramiko.pkey import UnknownKeyType

from tasks.errors import TerminalError

_KINDS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def private_key(text: str, passphrase: str | None, host: str) -> paramiko.PKey:
    """Read a private key as `ssh-keygen` writes it.

    Args:
        text: The key's text; line ends of any kind, as pasted into a form.
        passphrase: What opens it, None where it is not encrypted.
        host: The host's name, for messages.

    Raises:
        TerminalError: It is no such key, or the passphrase is missing or wrong.
    """
    lines = "\n".join(text.split("\n")).replace("\r", "").strip() + "\n"
    for kind in _KINDS:
        try:
            return kind.from_private_key(io.StringIO(lines), password=passphrase)
        except paramiko.PasswordRequiredException:
            raise TerminalError(
                f"the private key of host {host} is encrypted", "give its passphrase in the host's block"
            ) from None
        except (paramiko.SSHException, ValueError, TypeError, IndexError):
            # Not of this kind, or a wrong passphrase: only the last kind tried tells.
            continue
    raise TerminalError(
        f"the private key of host {host} cannot be read",
        "paste the whole file that `ssh-keygen -t ed25519` made, and check the passphrase",
    )


def pinned_keys(text: str, host: str) -> tuple[paramiko.PKey, ...]:
    """Read pinned host keys, one a line: `ssh-ed25519 AAAA…`, or as `ssh-keyscan` prints them.

    Args:
        text: The lines; empty ones and comments are passed over.
        host: The host's name, for messages.

    Raises:
        TerminalError: A line is no host key, or there is none that can be used.
    """
    keys = []
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            keys.append(_pinned(words, host))
    usable = tuple(key for key in keys if key is not None)
    if not usable:
        raise TerminalError(
            f"no host key is pinned for host {host}",
            "put the server's public host key into the host's block; "
            "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server shows what it must be",
        )
    return usable


def _pinned(words: list[str], host: str) -> paramiko.PKey | None:
    """Read one line; None for a kind of key this client cannot check."""
    if words[0].startswith("@"):
        raise TerminalError(
            f"{words[0]} among the host keys of host {host} is not supported",
            "pin the host's own key instead",
        )
    # The name in front is passed over: these keys are for this host whatever address it has.
    pair = words[:2] if _is_key_type(words[0]) else words[1:3]
    try:
        return paramiko.PKey.from_type_string(pair[0], base64.b64decode(pair[1], validate=True))
    except UnknownKeyType:
        return None
    except (IndexError, binascii.Error, ValueError, paramiko.SSHException):
        raise TerminalError(
            f"{' '.join(words)[:60]!r} is no host key of host {host}",
            "write one key a line: `ssh-ed25519 AAAA…`, as /etc/ssh/ssh_host_*_key.pub on the server has it",
        ) from None


def _is_key_type(word: str) -> bool:
    return word.startswith(("ssh-", "ecdsa-", "sk-"))


def algorithms(keys: tuple[paramiko.PKey, ...]) -> frozenset[str]:
    """Return the host key algorithms that lead to one of the pinned keys.

    Only these are offered, so that a server with keys of several kinds shows the one that is pinned.
    """
    names = {key.get_name() for key in keys}
    if "ssh-rsa" in names:
        names |= {"rsa-sha2-512", "rsa-sha2-256"}
    return frozenset(names - {"ssh-rsa"})
