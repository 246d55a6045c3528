"""What compose makes of a release that is taken out of the live application."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.database.commands.isolation import IsolatedPlace, breaches, override
from tasks.host.compose import ComposeProject
from tasks.host.shape import (
    ComposeShape,
    bind_sources,
    linked_names,
    needed,
    parse_shape,
    patience,
    read_kinds,
    read_shape,
    seconds_of,
)

COMPOSE = """
name: app
x-outer: &outer {external: true, name: live-data}
x-told: &told {environment: {PASSWORD: "${PASSWORD:?}"}}
services:
  web:
    <<: *told
    image: ${IMAGE:-nginx:1.26}
    build: .
    command: [serve, "--password", "${PASSWORD}"]
    env_file: .env
    ports: ["${PORT:-8080}:80"]
    expose: ["80"]
    volumes:
      - data:/data
      - outer:/outer
      - ./conf.d:/etc/conf.d
      - ./shared:/shared
      - ${DIR:-./made/up}:/made
      - ./engine.sock:/var/run/docker.sock
      - /anonymous
      - {type: tmpfs, target: /scratch}
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_healthy}}
    networks: {front: {aliases: [www]}, back: {}}
    links: ["db:database", "cache:store"]
    external_links: [somebody]
    extra_hosts: ["a.b:1.2.3.4"]
    healthcheck: {test: [CMD, check, "${PASSWORD}"], interval: 15s, timeout: 5s, start_period: 1m30s, retries: 3}
    deploy: {replicas: 3, labels: {told: "${PASSWORD}"}, resources: {limits: {memory: 50M}}}
    labels: {traefik.enable: "true", told: "${PASSWORD}"}
    restart: always
    privileged: true
    pid: host
    ipc: host
    devices: ["/dev/null:/dev/null"]
    cap_add: [NET_ADMIN, CHOWN]
    security_opt: ["no-new-privileges:true", "seccomp:unconfined"]
    logging: {driver: syslog}
    secrets: [key]
    profiles: [odd]
    tmpfs: /tmp
  host:
    image: nginx:1.26
    network_mode: host
    hostname: box
    healthcheck: {disable: true}
  side: {image: "nginx:1.26", network_mode: "service:web"}
  cache: {image: "redis:7", networks: [back], container_name: the-cache}
  db: {image: "postgres:17", networks: [back], volumes: ["db-data:/var/lib/postgresql/data"]}
  unused: {image: "nginx:1.26", volumes: ["unused:/unused"], networks: [third]}
volumes: {data: {driver_opts: {o: "password=${PASSWORD}"}}, outer: *outer, db-data: {}, unused: {}}
networks: {front: {external: true, name: proxy}, back: {}, third: {}}
secrets: {key: {file: ./key.txt}}
configs: {inline: {content: "${PASSWORD}"}}
"""
HIDDEN = 'its $ a "hidden" one'


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="s$ ") as name:
        made = Path(name, "app")
        (made / "conf.d").mkdir(parents=True)
        (made / "conf.d/site.conf").write_text("x")
        (made / "key.txt").write_text("x")
        (made / "compose.yaml").write_text(COMPOSE)
        (made / ".env").write_text(f"PASSWORD='{HIDDEN}'\nPORT=9999\n")
        Path(name, "data").mkdir()
        (made / "shared").symlink_to(Path(name, "data"))
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(made / "engine.sock"))
            yield made


def project(folder: Path, *files: str, profiles: tuple[str, ...] = ("*",)) -> ComposeProject:
    return ComposeProject(
        "mark-new",
        str(folder),
        env_file=str(folder / ".env"),
        files=(str(folder / "compose.yaml"), *files),
        profiles=profiles,
    )


def printed(argv: tuple[str, ...]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kinds_of(folder: Path, shape: ComposeShape, services: tuple[str, ...]) -> dict[str, str]:
    paths = bind_sources(shape, services)
    return dict(zip(paths, printed(read_kinds(str(folder), paths)).split(), strict=True))


def place(seconds: float = 30.0) -> IsolatedPlace:
    return IsolatedPlace("copy-net", "copy", "10.0.0.2", "db", "mark", seconds)


def test_values_stay_on_the_host(folder: Path) -> None:
    text = printed(read_shape(project(folder).config_json()))
    assert "hidden" not in text
    shape = parse_shape(text)
    assert set(shape.services) == {"web", "host", "side", "cache", "db", "unused"}
    assert shape.services["web"]["environment"] is None
    assert shape.services["web"]["healthcheck"]["interval"] == "15s"
    assert shape.volumes["outer"]["name"] == "live-data"


def test_a_configuration_that_compose_refuses(folder: Path) -> None:
    argv = read_shape(project(folder, str(folder / "none.yaml")).config_json())
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "none.yaml" in done.stderr


def test_what_is_at_a_path(folder: Path) -> None:
    shape = parse_shape(printed(read_shape(project(folder).config_json())))
    found = {Path(path).name: kind for path, kind in kinds_of(folder, shape, ("web",)).items()}
    assert found == {"conf.d": "inside", "shared": "outside", "up": "missing", "engine.sock": "other"}


def test_nothing_live_is_left(folder: Path) -> None:
    shape = parse_shape(printed(read_shape(project(folder).config_json())))
    services = needed(shape, ("web", "host", "side", "nobody"), "db")
    assert services == ("cache", "host", "side", "web")
    kinds = kinds_of(folder, shape, services)
    assert len(breaches(shape, services, place(), kinds)) > 10
    (folder / "aside.yaml").write_text(
        override(shape, services, place(), kinds, ("traefik.enable", "a $b: 'c'"))
    )
    aside = project(folder, str(folder / "aside.yaml"), profiles=())
    assert breaches(parse_shape(printed(read_shape(aside.config_json()))), services, place(), kinds) == ()
    config = json.loads(printed(aside.config_json()))
    assert set(config["services"]) == set(services)
    assert set(config["volumes"]) == {"data", "outer"}
    assert {volume["name"] for volume in config["volumes"].values()} == {"mark-new_data", "mark-new_outer"}
    assert {network["name"] for network in config["networks"].values()} == {"copy-net"}
    web = config["services"]["web"]
    assert web["environment"]["PASSWORD"].replace("$$", "$") == HIDDEN
    # What the image brings along is empty, what the service says is gone.
    assert web["labels"] == {"a $$b: 'c'": "", "sluice.rehearsal": "mark", "traefik.enable": ""}
    assert web["command"][:2] == ["serve", "--password"]
    assert web["networks"] == {"sluice-copy": {"aliases": ["www"]}}
    assert config["services"]["cache"]["networks"] == {"sluice-copy": {"aliases": ["the-cache"]}}
    assert web["extra_hosts"] == ["database=10.0.0.2"]
    assert web["depends_on"] == {"cache": {"condition": "service_healthy", "required": True}}
    assert web["healthcheck"]["test"][0] == "CMD"
    assert (web["healthcheck"]["interval"], web["healthcheck"]["retries"]) == ("500ms", 60)
    assert web["security_opt"] == ["no-new-privileges:true"]
    assert web["deploy"]["resources"]["limits"] == {"memory": "52428800"}
    assert {mount["target"]: mount["type"] for mount in web["volumes"]} == {
        "/data": "volume",
        "/outer": "volume",
        "/etc/conf.d": "bind",
        "/shared": "volume",
        "/made": "volume",
        "/anonymous": "volume",
        "/scratch": "tmpfs",
    }
    assert config["services"]["host"]["network_mode"] == "container:copy"
    assert config["services"]["host"]["healthcheck"] == {"disable": True}
    assert not {"ports", "privileged", "pid", "ipc", "devices", "build", "logging"} & set(web)


KEYS = (
    "ports",
    "privileged",
    "pid",
    "volumes_from",
    "use_api_socket",
    "userns_mode",
    "credential_spec",
    "gpus",
    "new",
)


@given(st.dictionaries(st.sampled_from((*KEYS, "image", "environment")), st.none(), min_size=1))
def test_what_nobody_thought_of_is_taken_out(service: dict[str, Any]) -> None:
    shape = ComposeShape(services={"web": service}, volumes={})
    text = override(shape, ("web",), place(), {})
    reset = {line.split(":")[0].strip() for line in text.splitlines() if line.endswith("!reset null")}
    assert service.keys() & set(KEYS) <= reset
    assert not reset & {"image", "environment"}
    kept = {key: value for key, value in service.items() if key not in reset}
    alone = ComposeShape(services={"web": kept | {"networks": {"sluice-copy": None}}}, volumes={})
    assert breaches(alone, ("web",), place(), {}) == ()


def test_an_override_that_was_not_understood_is_noticed() -> None:
    live = ComposeShape(
        services={
            "web": {
                "networks": {"default": None, "sluice-copy": None},
                "volumes": [
                    {"type": "volume", "source": "data", "target": "/data"},
                    {"type": "bind", "source": "/srv", "target": "/srv", "read_only": True},
                ],
                "cap_add": ["SYS_ADMIN"],
            },
            "side": {"network_mode": "service:web"},
        },
        volumes={"data": {"name": "shop_data"}},
    )
    assert breaches(live, ("web", "side"), place(), {"/srv": "outside"}) == (
        "web would be on other networks",
        "web would mount /srv",
        "web still has capabilities",
        "side would be on the network of service:web",
        "volume data would be the live one",
    )


def test_how_long_a_service_may_take() -> None:
    own = {"interval": "15s", "timeout": "5s", "start_period": "1m30s", "retries": 3}
    shape = ComposeShape(
        services={"web": {"healthcheck": own}, "bare": {}, "off": {"healthcheck": {"disable": True}}},
        volumes={},
    )
    assert patience(shape, ("web",), 600) == 150
    assert patience(shape, ("web",), 60) == 60
    assert patience(shape, ("web", "bare"), 300) == 300
    assert patience(shape, ("off",), 300) == 300
    assert patience(shape, (), 300) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3s", 3723.0), ("500ms", 0.5), ("1.5s", 1.5), ("0s", 0.0), ("", 7.0), (None, 7.0)],
)
def test_durations_as_compose_writes_them(text: str | None, seconds: float) -> None:
    assert seconds_of(text, 7.0) == pytest.approx(seconds)


def test_the_names_links_give_the_database() -> None:
    services = {"a": {"links": ["db:database", "cache:store", "db"]}, "b": {"links": ["db:pg"]}}
    assert linked_names(ComposeShape(services=services, volumes={}), "db") == ("database", "pg")
