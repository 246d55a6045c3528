"""One connection per host in a process, however many steps ask for it."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING

from tasks.adapters.ssh import SshHost
from tasks.adapters.ssh_connection import Endpoint
from tasks.kernel.redact import process_redactor

if TYPE_CHECKING:
    from blocks.compose_host import ComposeHost
    from blocks.rescue import RescueHost

_lock = threading.Lock()
_hosts: dict[Endpoint, SshHost] = {}


def host_for(block: ComposeHost | RescueHost, name: str) -> SshHost:
    """Return the host of a block, over the connection this process has to it already, if any.

    Args:
        block: A changed key or address makes a new connection.
    """
    passphrase = block.passphrase.get_secret_value() if block.passphrase is not None else ""
    endpoint = Endpoint(
        name=name,
        address=block.address,
        port=block.port,
        user=block.user,
        private_key=block.private_key.get_secret_value(),
        passphrase=passphrase or None,
        host_keys=block.host_key,
        connect_seconds=block.connect_timeout_seconds,
    )
    process_redactor().add(endpoint.private_key, passphrase)
    with _lock:
        if endpoint not in _hosts:
            _hosts[endpoint] = SshHost(endpoint)
        return _hosts[endpoint]


def close_all() -> None:
    """Close every connection of the process."""
    with _lock:
        hosts = list(_hosts.values())
        _hosts.clear()
    for host in hosts:
        host.close()


atexit.register(close_all)
