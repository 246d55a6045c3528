"""Ports of the loopback address."""

from __future__ import annotations

import socket

from deployments.control_plane.environment import HOST


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
