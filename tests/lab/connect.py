"""Sluice's own connection to a server of the lab."""

from __future__ import annotations

from tasks.adapters.ssh import SshHost
from tasks.kernel.redact import Redactor
from tests.lab.server import Server


def connect(server: Server, **changes: object) -> SshHost:
    """Return a host for a server of the lab; every argument can be another one."""
    arguments: dict[str, object] = {
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "private_key_text": server.private_key_path.read_text(),
        "host_keys": server.host_key,
        "redactor": Redactor(),
        "connect_timeout": 20.0,
        "grace_seconds": 3,
    }
    return SshHost(server.name, **(arguments | changes))  # type: ignore[arg-type]
