"""A server of the lab that only these tests use, so that faults disturb nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tasks.adapters.ssh import SshHost
from tasks.kernel.redact import Redactor
from tests.lab.lab import Lab
from tests.lab.server import Server

SERVER = "adapters"


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


@pytest.fixture(scope="session")
def server(lab: Lab) -> Server:
    found = Lab.up((*lab.servers, SERVER)).servers[SERVER]
    found.reset()
    return found


@pytest.fixture(scope="session")
def ssh_host(server: Server) -> Iterator[SshHost]:
    host = connect(server)
    yield host
    host.close()


@pytest.fixture
def folder() -> str:
    """A folder no other test uses, relative to the login directory."""
    return f"tests/{uuid4().hex[:12]}"
