"""A small application on a server of the lab, run by compose, with everything that could reach something live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blocks.values.manifests import Manifest
from blocks.values.receipts import BackupReceipt
from tasks.kernel.protocols import Call
from tasks.steps.run import Run
from tests.flows.domain.samples import manifest, release
from tests.lab.server import Server
from tests.samples.runs import APP, reach
from tests.tasks.database.postgres import LiveDatabase

PASSWORD = "db/it's+7Q%4f=e9:w@K"
PORT = 8099
PIPELINE = """
pipeline: shop
registry: main
backup: {{service: db}}
migration: {{service: app, {migration}}}
environments:
  prod:
    hosts: [{host}]
    address: http://localhost:8080
    branches: [main]
    database: {{{database}}}
    timeouts: {{up: 60s}}
"""
COMMAND = "command: [psql, -q, -v, ON_ERROR_STOP=1, -f, /sql/up.sql]"

# Every way out that an application commonly has: ports, names, proxies' labels, the engine, folders of the host.
COMPOSE = """
services:
  app:
    image: postgres:17
    command: [sh, -c, "{start}"]
    env_file: .env
    environment: {{PGHOST: db, PGUSER: shop, PGDATABASE: store, PGPASSWORD: "${{DB_PASSWORD:?}}"}}
    container_name: the-app
    hostname: the-app
    ports: ["{port}:80"]
    volumes:
      - media:/media
      - ./sql:/sql:ro
      - ./uploads:/uploads
      - /etc/hostname:/host/name
      - {app}:/host/app
      - /var/run/docker.sock:/var/run/docker.sock
    networks: [front, back]
    depends_on: {{db: {{condition: service_healthy}}, cache: {{condition: service_healthy}}}}
    healthcheck: {health}
    labels: {{traefik.enable: "true"}}
    restart: always
    privileged: true
    pid: host
    extra_hosts: ["gateway:host-gateway"]
    deploy: {{replicas: 1, resources: {{limits: {{memory: 256M}}}}}}
  cache:
    image: postgres:17
    command: [sleep, infinity]
    networks: [back]
    volumes: [media:/media]
    healthcheck: {{test: [CMD, "true"], interval: 60s, start_period: 60s, start_interval: 1s}}
    restart: always
  db:
    image: postgres:17
    environment: {{POSTGRES_USER: shop, POSTGRES_DB: store, POSTGRES_PASSWORD: "${{DB_PASSWORD:?}}"}}
    command: [postgres, -c, fsync=off]
    volumes: [db-data:/var/lib/postgresql/data]
    networks: [back]
    healthcheck:
      test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, shop]
      interval: 60s
      start_period: 60s
      start_interval: 1s
    restart: always
volumes: {{db-data: {{}}, media: {{name: the-media}}}}
networks: {{front: {{external: true, name: proxy}}, back: {{}}}}
"""
SLEEP = "exec sleep infinity"


def health(sql: str | None) -> str:
    """Return a health check that asks the database; none for None."""
    if sql is None:
        return '{"disable": true}'
    return json.dumps(
        {
            "test": ["CMD", "psql", "-qtc", sql],
            "interval": "2s",
            "timeout": "2s",
            "retries": 2,
            "start_period": "4s",
            "start_interval": "1s",
        }
    )


@dataclass
class SmallShop:
    """The application, running.

    Attributes:
        server: Where it runs.
        run: A run that knows it.
        previous: The release that runs.
    """

    server: Server
    run: Run
    previous: Manifest

    @property
    def database(self) -> LiveDatabase:
        """Its database."""
        return LiveDatabase(self.server, "shop-db-1")

    def dump(self, name: str = "one") -> BackupReceipt:
        """Dump the database."""
        return self.database.dump(self.run, name)

    def stage(self, number: int, **changes: Any) -> Manifest:
        """Put a release's bundle in place: its compose file, and what `up.sql` does."""
        return put_bundle(self.run, number, **changes)

    def with_policy(self, database: str = "", migration: str = COMMAND) -> Run:
        """Return a run with other rules for the database."""
        return run_on(self.server, database=database, migration=migration)

    def containers(self) -> str:
        """Return the live containers as the engine describes them: their ids and when they were started."""
        words = ("docker", "inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.State.Status}}")
        return self.server.run((*words, "the-app", "shop-cache-1", "shop-db-1")).stdout


def run_on(server: Server, *, database: str = "", migration: str = COMMAND) -> Run:
    """Return a run whose environment is one server."""
    return reach(PIPELINE.format(host=server.name, database=database, migration=migration), server)


def put_bundle(
    run: Run, number: int, *, sql: str = "", check: str | None = "select 1", start: str = SLEEP
) -> Manifest:
    """Put a release's bundle on the host and return its manifest."""
    one = release(id=f"2026112105330{number}-1f3c2ab00000")
    there, folder = run.hosts[run.primary], f"{APP}/releases/{one.id}"
    text = COMPOSE.format(port=PORT, app=APP, health=health(check), start=start)
    there.write_file(f"{folder}/compose.yaml", text.encode())
    there.write_file(f"{folder}/sql/up.sql", (sql or "").encode())
    links = 'ln -sfn ../../.env.prod "$1/.env" && mkdir -p "$2" && ln -sfn ../../shared/uploads "$1/uploads"'
    assert there.run(Call(("sh", "-c", links, "links", folder, f"{APP}/shared/uploads"))).ok
    return manifest(number, release=one, env_file=".env.prod", services=("app", "cache", "db"))


@contextmanager
def small_shop(server: Server) -> Iterator[SmallShop]:
    """Start the application's first release on a fresh server; leave the server fresh."""
    server.reset()
    server.run(("docker", "network", "create", "proxy"))
    run = run_on(server)
    there = run.hosts[server.name]
    there.write_file(f"{APP}/.env.prod", f"DB_PASSWORD={PASSWORD}\nTOLD=a secret\n".encode(), mode=0o600)
    first = put_bundle(run, 1, check="select name from product limit 1")
    project = run.app(server.name).project(first, current=False)
    started = there.run(Call((*project.up("db"), "--wait", "--wait-timeout=120")))
    assert started.ok, started.stderr
    LiveDatabase(server, "shop-db-1").sql(SCHEMA)
    started = there.run(Call((*project.up(), "--wait", "--wait-timeout=120")))
    assert started.ok, started.stderr
    server.run(
        ("docker", "exec", "the-app", "sh", "-c", "echo live > /media/mark; echo live > /uploads/mark")
    )
    try:
        yield SmallShop(server, run, first)
    finally:
        server.reset()


SCHEMA = """
create table product (id serial primary key, name text not null, price integer not null default 1);
insert into product (name) select 'product ' || n from generate_series(1, 200) n;
create table alembic_version (version_num text);
insert into alembic_version values ('0001');
"""
