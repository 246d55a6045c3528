"""Ports, and what services need, read from compose's own output."""

from __future__ import annotations

from typing import Any

import pytest

from flows.domain.compose.facts import depended_on, tcp_ports
from tests.flows.domain.compose.test_override import CONFIG


def test_ports_of_a_real_configuration() -> None:
    assert tcp_ports(CONFIG) == {8080, 9000, 9001}


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, {8080}),
        ({"target": 80, "published": 8080}, {8080}),
        ({"published": "53", "protocol": "udp", "host_ip": "::1"}, set()),
        ({"published": "8000-8002"}, {8000, 8001, 8002}),
        ({"published": "65535-99999999999"}, {65535}),
        ({"published": "0"}, set()),
        ({"published": ""}, set()),
        ({"published": "http"}, set()),
        ({"published": "80-"}, {80}),
        ({"target": 80}, set()),
    ],
)
def test_published_ports(entry: dict[str, Any], ports: set[int]) -> None:
    assert tcp_ports({"services": {"web": {"ports": [entry]}, "db": {}}}) == ports


def test_no_services_have_no_ports() -> None:
    assert tcp_ports({}) == set()


@pytest.mark.parametrize(
    "need",
    [
        {"depends_on": {"db": {"condition": "service_healthy"}}},
        {"depends_on": ["db"]},
        {"links": ["db:database"]},
        {"volumes_from": ["db:ro"]},
        {"network_mode": "service:db"},
        {"ipc": "service:db"},
        {"pid": "service:db"},
    ],
)
def test_what_another_service_needs_is_depended_on(need: dict[str, Any]) -> None:
    assert depended_on({"services": {"web": need, "db": {}, "mail": {"network_mode": "host"}}}) == ("db",)


def test_only_services_are_depended_on() -> None:
    assert depended_on({"services": {"web": {"volumes_from": ["container:other"], "links": ["gone"]}}}) == ()
    assert depended_on({}) == ()
