"""One connection per host in a process, however many steps ask for it."""

from __future__ import annotations

import atexit
import threading
from typing import Protocol

from pydantic import SecretStr

from tasks.adapters.ssh import SshHost
from tasks.kernel.redact import process_redactor


class HostLogin(Protocol):
    """What a host's block holds."""

    @property
    def address(self) -> str:
        """Its IP address or DNS name."""
        ...

    @property
    def port(self) -> int:
        """The port of its SSH server."""
        ...

    @property
    def user(self) -> str:
        """The login."""
        ...

    @property
    def private_key(self) -> SecretStr:
        """The login's private key."""
        ...

    @property
    def passphrase(self) -> SecretStr | None:
        """What opens the key."""
        ...

    @property
    def host_key(self) -> str:
        """The pinned host keys, one a line."""
        ...

    @property
    def connect_timeout_seconds(self) -> float:
        """The bound on connecting."""
        ...

    @property
    def directory(self) -> str:
        """Where applications are kept."""
        ...


_lock = threading.Lock()
_hosts: dict[tuple[object, ...], SshHost] = {}


def host_for(block: HostLogin, name: str) -> SshHost:
    """Return the host of a block, over the connection this process has to it already, if any.

    Args:
        block: The host's block. A changed key or address makes a new connection.
        name: The name people know it by.
    """
    key, passphrase = block.private_key.get_secret_value(), _secret(block.passphrase)
    process_redactor().add(key, *([passphrase] if passphrase else []))
    identity = (
        name,
        block.address,
        block.port,
        block.user,
        key,
        passphrase,
        block.host_key,
        block.directory,
        block.connect_timeout_seconds,
    )
    with _lock:
        if identity not in _hosts:
            _hosts[identity] = SshHost(
                name=name,
                address=block.address,
                port=block.port,
                user=block.user,
                private_key_text=key,
                passphrase=passphrase,
                host_keys=block.host_key,
                directory=block.directory,
                connect_timeout=block.connect_timeout_seconds,
            )
        return _hosts[identity]


def _secret(value: SecretStr | None) -> str | None:
    return (value.get_secret_value() or None) if value is not None else None


def close_all() -> None:
    """Close every connection of the process."""
    with _lock:
        hosts = list(_hosts.values())
        _hosts.clear()
    for host in hosts:
        host.close()


atexit.register(close_all)
