"""Sluice's own connection to a server of the lab."""

from __future__ import annotations

from tasks.adapters.ssh import SshHost
from tasks.adapters.ssh_connection import Endpoint
from tasks.kernel.redact import Redactor
from tests.lab.server import Server


def connect(server: Server, **changes: object) -> SshHost:
    """Return a host for a server of the lab; every argument can be another one."""
    runner: dict[str, object] = {"redactor": Redactor(), "grace_seconds": 3}
    runner |= {name: changes.pop(name) for name in ("redactor", "fence_seconds") if name in changes}
    endpoint: dict[str, object] = {
        "name": server.name,
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "private_key": server.private_key_path.read_text(),
        "passphrase": None,
        "host_keys": server.host_key,
        "connect_seconds": 20.0,
    }
    found = Endpoint(**(endpoint | changes))  # type: ignore[arg-type]
    return SshHost(found, **runner)  # type: ignore[arg-type]
