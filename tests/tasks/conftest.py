"""A server of the lab that only these tests use, so that faults disturb nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tasks.adapters.ssh import SshHost
from tests.lab.connect import connect
from tests.lab.lab import Lab
from tests.lab.server import Server

SERVER = "adapters"


@pytest.fixture(scope="session")
def server(lab: Lab) -> Server:
    found = Lab.up((*lab.servers, SERVER)).servers[SERVER]
    found.reset()
    return found


@pytest.fixture(scope="module")
def prod(lab: Lab) -> Server:
    """The server `prod`, fresh for the first test of a module."""
    lab.servers["prod"].reset()
    return lab.servers["prod"]


@pytest.fixture(scope="module")
def staging(lab: Lab) -> Server:
    """The server `staging`, fresh likewise."""
    lab.servers["staging"].reset()
    return lab.servers["staging"]


@pytest.fixture(scope="session")
def ssh_host(server: Server) -> Iterator[SshHost]:
    host = connect(server)
    yield host
    host.close()


@pytest.fixture
def folder() -> str:
    """A folder no other test uses, relative to the login directory."""
    return f"tests/{uuid4().hex[:12]}"
