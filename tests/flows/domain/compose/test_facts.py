"""Ports, and what services need, read from compose's own output."""

from __future__ import annotations

from typing import Any

import pytest

from flows.domain.compose.facts import (
    PublishedPort,
    depended_on,
    published_ports,
)
from tests.flows.domain.compose.test_override import CONFIG


def port(number: int, host_ip: str = "", protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(service="web", host_ip=host_ip, port=number, protocol=protocol)


def test_ports_of_a_real_configuration() -> None:
    assert [(one.service, one.host_ip, one.port) for one in published_ports(CONFIG)] == [
        ("backend", "", 8080),
        ("backend", "127.0.0.1", 9000),
        ("backend", "127.0.0.1", 9001),
    ]


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, (port(8080),)),
        ({"target": 80, "published": 8080}, (port(8080),)),
        ({"published": "53", "protocol": "udp", "host_ip": "::1"}, (port(53, "::1", "udp"),)),
        ({"published": "8000-8002"}, (port(8000), port(8001), port(8002))),
        ({"published": "65535-99999999999"}, (port(65535),)),
        ({"published": "0"}, ()),
        ({"published": ""}, ()),
        ({"published": "http"}, ()),
        ({"published": "80-"}, (port(80),)),
        ({"target": 80}, ()),
    ],
)
def test_published_ports(entry: dict[str, Any], ports: tuple[PublishedPort, ...]) -> None:
    assert published_ports({"services": {"web": {"ports": [entry]}, "db": {}}}) == ports


def test_no_services_have_no_ports() -> None:
    assert published_ports({}) == ()


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
